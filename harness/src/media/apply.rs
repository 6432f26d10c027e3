//! Damage done: an image and a damage in, the damaged image out. Nothing where the damage changes no
//! byte: the file is not there, the range lies beyond its end, the bytes were like that already.

use super::damage::{Damage, Harm};
use crate::base::Rng;
use crate::image::{Content, Image};

/// The damaged image, if the damage changes anything.
pub fn apply(image: &Image, damage: &Damage) -> Option<Image> {
    let mut damaged = image.clone();
    if damage.harm == Harm::Missing {
        damaged.file(&damage.file)?;
        damaged.remove(&damage.file);
    } else {
        let content = damaged_content(image, damage)?;
        damaged.edit_file(&damage.file, |file| *file = content);
    }
    (damaged.hash() != image.hash()).then_some(damaged)
}

/// All of them, one after the other; nothing where one of them changes nothing.
pub fn apply_all<'a>(
    image: &Image,
    damages: impl IntoIterator<Item = &'a Damage>,
) -> Option<Image> {
    damages.into_iter().try_fold(image.clone(), |image, damage| apply(&image, damage))
}

fn damaged_content(image: &Image, damage: &Damage) -> Option<Content> {
    let mut content = image.file(&damage.file)?.clone();
    let size = content.size();
    // What of a range lies inside the file: damage changes bytes and never adds any by accident.
    let inside = |offset: u64, len: u64| len.min(size.saturating_sub(offset));
    match &damage.harm {
        Harm::Flip { offset, mask } => {
            let byte = *content.read(*offset, 1).first()?;
            content.write(*offset, &[byte ^ mask]);
        }
        Harm::Zero { offset, len } => content.zero(*offset, inside(*offset, *len)),
        Harm::Garbage { offset, len, seed } => {
            content.write(*offset, &garbage(*seed, inside(*offset, *len)));
        }
        Harm::Truncate { size: shorter } if *shorter < size => content.resize(*shorter),
        Harm::Truncate { .. } => return None,
        Harm::ExtendZeros { len } => content.resize(size.checked_add(*len)?),
        Harm::ExtendGarbage { len, seed } => content.write(size, &garbage(*seed, *len)),
        Harm::Older { offset, bytes } => {
            let len = inside(*offset, bytes.len() as u64);
            content.write(*offset, &bytes[..len as usize]);
        }
        Harm::Misdirect { offset, len, from, from_offset } => {
            let len = inside(*offset, *len);
            content.write(*offset, &image.read(from, *from_offset, len as usize)?);
        }
        Harm::Missing => {}
    }
    Some(content)
}

/// `len` bytes of garbage, the same for the same seed on every machine.
pub(super) fn garbage(seed: u64, len: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed).fork("garbage");
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        bytes.extend(rng.next_u64().to_le_bytes());
    }
    bytes.truncate(len as usize);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let mut image = Image::empty();
        image.make_dir("d");
        image.put("d/a", b"0123456789");
        image.put("b", &[7; 5000]);
        image
    }

    fn damaged(text: &str) -> Option<Image> {
        apply(&image(), &text.parse().unwrap())
    }

    #[test]
    fn each_operator_does_what_its_name_says() {
        let a = |text| damaged(text).unwrap().bytes("d/a").unwrap();
        assert_eq!(a("flip d/a 3 01"), b"0122456789");
        assert_eq!(a("zero d/a 8 100"), b"01234567\0\0");
        assert_eq!(a("truncate d/a 4"), b"0123");
        assert_eq!(a("extend-zeros d/a 2"), b"0123456789\0\0");
        assert_eq!(a("older d/a 8 4142434445"), b"01234567AB");
        assert_eq!(a("misdirect d/a 0 4 d/a 6"), b"6789456789");
        assert_eq!(a("misdirect d/a 9 4 b 0"), b"012345678\x07");
        let filled = a("garbage d/a 2 4 9");
        assert_eq!((filled.len(), &filled[..2], &filled[6..]), (10, &b"01"[..], &b"6789"[..]));
        assert_eq!(filled, a("garbage d/a 2 4 9"));
        assert_ne!(filled, a("garbage d/a 2 4 8"));
        assert_eq!(a("extend-garbage d/a 20 1")[..10], *b"0123456789");
        assert_eq!(a("extend-garbage d/a 20 1").len(), 30);
        let without = damaged("missing d/a").unwrap();
        assert!(without.file("d/a").is_none() && without.file("b").is_some());
    }

    #[test]
    fn damage_that_changes_nothing_is_none() {
        for text in [
            "flip d/a 10 01",
            "flip none 0 01",
            "truncate d/a 10",
            "truncate d/a 11",
            "zero d/a 10 5",
            "older d/a 0 3031",
            "misdirect d/a 0 4 d/a 0",
            "misdirect d/a 0 4 none 0",
            "missing none",
            "missing d",
            "zero d 0 1",
            "extend-garbage none 5 1",
        ] {
            assert!(damaged(text).is_none(), "{text}");
        }
    }

    #[test]
    fn several_damages_add_up() {
        let damages: Vec<Damage> =
            ["flip d/a 0 01", "truncate d/a 3"].iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(apply_all(&image(), &damages).unwrap().bytes("d/a").unwrap(), b"112");
    }
}
