//! What a caller wants done together.

use super::error::WriteError;
use super::options::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Changes that happen together or not at all, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.ops.push((key.to_vec(), Some(value.to_vec())));
        self
    }

    /// Removes a key.
    pub fn del(&mut self, key: &[u8]) -> &mut Self {
        self.ops.push((key.to_vec(), None));
        self
    }

    pub(crate) fn ops(&self) -> &[(Vec<u8>, Option<Vec<u8>>)] {
        &self.ops
    }

    /// Refuses what is outside the limits before anything is written.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        for (key, value) in &self.ops {
            if key.is_empty() || key.len() > MAX_KEY_BYTES {
                let why = format!("a key of {} bytes; 1 to {MAX_KEY_BYTES} are allowed", key.len());
                return Err(WriteError::Limit(why));
            }
            if let Some(value) = value.as_ref().filter(|value| value.len() > MAX_VALUE_BYTES) {
                let len = value.len();
                let why = format!("a value of {len} bytes; at most {MAX_VALUE_BYTES} are allowed");
                return Err(WriteError::Limit(why));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_outside_the_limits_are_refused() {
        assert!(Batch::default().put(b"k", b"").del(&[1; MAX_KEY_BYTES]).check().is_ok());
        assert!(Batch::default().put(b"", b"v").check().is_err());
        assert!(Batch::default().del(&[1; MAX_KEY_BYTES + 1]).check().is_err());
    }
}
