//! The named file-system profiles, and sets of them.

use std::fmt;

/// A persistence profile, mildest first (PERSISTENCE.md): under which rules a crash state is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// ext4 with data=ordered and delayed allocation, Linux's most common default: what was observed.
    Ext4,
    /// XFS: what was observed.
    Xfs,
    /// Btrfs: what was observed.
    Btrfs,
    /// Only what POSIX and the manual pages promise.
    Strict,
}

impl Profile {
    /// Every one, mildest first.
    pub const ALL: [Profile; 4] = [Profile::Ext4, Profile::Xfs, Profile::Btrfs, Profile::Strict];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Ext4 => "ext4",
            Profile::Xfs => "xfs",
            Profile::Btrfs => "btrfs",
            Profile::Strict => "strict",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Its place in [`Profile::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of profiles.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileSet(u8);

impl ProfileSet {
    /// None.
    pub const EMPTY: ProfileSet = ProfileSet(0);
    /// All four.
    pub const ALL: ProfileSet = ProfileSet(0b1111);

    /// True if `profile` is in it.
    pub fn contains(self, profile: Profile) -> bool {
        self.0 & (1 << profile.index()) != 0
    }

    /// With `profile`.
    #[must_use]
    pub fn with(self, profile: Profile) -> Self {
        Self(self.0 | 1 << profile.index())
    }

    /// What is in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The mildest in it: the grade of what shows under all of them.
    pub fn mildest(self) -> Option<Profile> {
        self.iter().next()
    }

    /// Those in it, mildest first.
    pub fn iter(self) -> impl Iterator<Item = Profile> {
        Profile::ALL.into_iter().filter(move |profile| self.contains(*profile))
    }
}

impl FromIterator<Profile> for ProfileSet {
    fn from_iter<I: IntoIterator<Item = Profile>>(profiles: I) -> Self {
        profiles.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl From<Profile> for ProfileSet {
    fn from(profile: Profile) -> Self {
        Self::EMPTY.with(profile)
    }
}

impl fmt::Debug for ProfileSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Profile::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_into_it_and_every_name_parses_back() {
        let set: ProfileSet = [Profile::Strict, Profile::Xfs].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Profile::Xfs, Profile::Strict]);
        assert_eq!(set.mildest(), Some(Profile::Xfs));
        assert_eq!(Profile::ALL.into_iter().collect::<ProfileSet>(), ProfileSet::ALL);
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.name()), Some(profile));
        }
    }
}
