//! The names of faults and profiles as they stand on the command line, in scenarios and in reports.

use std::fmt;

pub use crate::persistence::Profile;

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$each])* $variant,)+
        }

        impl $type {
            /// Every one, in its natural order.
            pub const ALL: [$type; [$($name),+].len()] = [$($type::$variant),+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $($type::$variant => $name,)+
                }
            }

            /// The one of this name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|each| each.name() == name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// The four faults, in the order in which a run injects them.
    FaultName {
        /// The process is killed.
        Kill = "kill",
        /// The power is cut.
        Power = "power",
        /// Bytes are damaged at rest.
        Media = "media",
        /// A call fails.
        Io = "io",
    }
}

names! {
    /// How a run ended (ORACLE.md, Outcomes).
    Outcome {
        /// No violation in the states visited.
        Held = "held",
        /// At least one violation, seen again in fresh processes.
        Violated = "violated",
        /// Something makes a loss unprovable, or a property called for was judged in no case.
        NotMeasured = "not-measured",
        /// The program does not run without any fault, or does not keep the protocol.
        SetupFailed = "setup-failed",
        /// unplug disagrees with itself about one case.
        HarnessBroken = "harness-broken",
    }
}

impl Outcome {
    /// The process exit code that it stands for.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Held => 0,
            Outcome::Violated => 1,
            Outcome::NotMeasured => 4,
            Outcome::SetupFailed | Outcome::HarnessBroken => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back() {
        for fault in FaultName::ALL {
            assert_eq!(FaultName::parse(fault.name()), Some(fault));
        }
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.name()), Some(profile));
        }
        assert_eq!(Profile::parse("zfs"), None);
    }
}
