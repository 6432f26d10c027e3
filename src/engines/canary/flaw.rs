//! The list of flaws: each is one change to the store that breaks one property, and the table says
//! which, and under which fault it shows. The store without a flaw, in each of its variants, holds.

use unplug_harness::oracle::Kind;
use unplug_harness::scenario::{FaultName, Profile};

use super::Canary;
use crate::engines::Entry;

/// How the flawless store is built; a flaw changes one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Each write is synced before it is acknowledged.
    Plain,
    /// Writes of several threads share one sync.
    Group,
    /// Writes are acknowledged once they are written, and durable after `sync` or `close`.
    Relaxed,
    /// Writes are acknowledged once they are written, and durable after `sync` alone.
    LazyClose,
    /// The head is a shared mapping, made durable by msync.
    Mapped,
    /// The head is replaced by rename.
    Renamed,
    /// Old log segments are used again.
    Recycled,
    /// A batch is written first and committed by a frame of its own.
    TwoPhase,
}

macro_rules! flawless {
    ($($name:literal $variant:ident $about:literal;)+) => {
        /// The stores without a flaw, which must hold under every fault.
        pub const FLAWLESS: &[Entry] = &[$(Entry {
            name: concat!("canary", $name),
            about: $about,
            opener: |threads| {
                Box::new(Canary { variant: Variant::$variant, flaw: None, threads })
            },
        },)+];
    };
}

flawless! {
    "" Plain "the flawless store: each write is synced before it is acknowledged";
    ":group" Group "flawless: writes of several threads share one sync";
    ":relaxed" Relaxed "flawless: acknowledged once written, durable after sync or close";
    ":lazy-close" LazyClose "flawless: acknowledged once written, durable after sync alone";
    ":mapped" Mapped "flawless: the head is a shared mapping, made durable by msync";
    ":renamed" Renamed "flawless: the head is replaced by rename";
    ":recycled" Recycled "flawless: old log segments are used again";
    ":two-phase" TwoPhase "flawless: a batch is committed by a frame of its own";
}

macro_rules! flaws {
    ($($name:literal $flaw:ident $variant:ident $kind:ident $faults:tt $profiles:expr, $about:literal;)+) => {
        /// One deliberate mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flaw {
            $(#[doc = $about] $flaw,)+
        }

        /// Every flaw, those that a kill or damage shows first.
        pub const FLAWS: &[Row] = &[$(Row {
            name: $name,
            flaw: Flaw::$flaw,
            variant: Variant::$variant,
            about: $about,
            kind: Kind::$kind,
            faults: &flaws!(@faults $faults),
            profiles: $profiles,
        },)+];

        /// The flawed stores under their names.
        pub const FLAWED: &[Entry] = &[$(Entry {
            name: concat!("canary:", $name),
            about: $about,
            opener: |threads| {
                let (variant, flaw) = (Variant::$variant, Some(Flaw::$flaw));
                Box::new(Canary { variant, flaw, threads })
            },
        },)+];
    };
    (@faults [$($fault:ident)+]) => { [$(FaultName::$fault),+] };
}

/// What is known of one flaw.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name after `canary:`.
    pub name: &'static str,
    /// The mistake.
    pub flaw: Flaw,
    /// The flawless store that it changes.
    pub variant: Variant,
    /// What is done wrong.
    pub about: &'static str,
    /// What it violates: what a run finds first, by the rules of ORACLE.md. A frame that replay steps
    /// over takes a batch with it: by those rules such a state is torn before it has a hole.
    pub kind: Kind,
    /// The faults that show it.
    pub faults: &'static [FaultName],
    /// The profiles that show it, under all others it holds; empty where profiles play no part.
    pub profiles: &'static [Profile],
}

const NONE: &[Profile] = &[];
const ALL: &[Profile] = &Profile::ALL;
/// Where what one file's sync makes durable may overtake the names of others.
const UNORDERED: &[Profile] = &[Profile::Btrfs, Profile::Strict];

flaws! {
    "ack-before-write" AckBeforeWrite Plain LostAck [Kill] NONE,
        "a write is acknowledged and written with the next one";
    "user-buffer" UserBuffer Plain LostAck [Kill] NONE,
        "acknowledged writes gather in user memory until there are 64 KiB of them";
    "delete-not-logged" DeleteNotLogged Plain LostAck [Kill] NONE,
        "deletes happen in memory and reach the disk only with the next checkpoint";
    "batch-without-mark" BatchWithoutMark Plain TornBatch [Kill Power] ALL,
        "each change of a batch is a frame that counts by itself";
    "stale-lock" StaleLock Plain Refused [Kill] NONE,
        "a lock file that only a clean end removes keeps the store from opening";
    "recovery-panics" RecoveryPanics Plain RecoveryCrashed [Kill] NONE,
        "recovery asserts that the log was sealed by a clean close";
    "recovery-loops" RecoveryLoops Plain RecoveryHung [Media] NONE,
        "recovery goes round for ever on a frame whose length is zero";
    "ghost-key" GhostKey Plain GhostKey [Kill] NONE,
        "recovery notes its own doing as a pair of the user's";
    "trims-on-close" TrimsOnClose Plain Unstable [Kill] NONE,
        "recovery leaves trimming the log to close, which trims one frame too many";
    "close-cuts-back" CloseCutsBack Plain NotWritable [Kill Power] ALL,
        "the first close after a recovery cuts the log back to where recovery left it";
    "resurrects" Resurrects TwoPhase Resurrected [Kill] NONE,
        "an uncommitted batch stays in the log, and the next frame commits it too";
    "recovery-trusts-cache" RecoveryTrustsCache Plain Vanished [Power] ALL,
        "recovery shows a log that ends well as it finds it, durable or not, and writes nothing";
    "no-checksum" NoChecksum Plain CorruptValue [Media] NONE,
        "checksums are written and never looked at";
    "checksum-skips-length" ChecksumSkipsLength Plain GhostKey [Media] NONE,
        "the checksum covers keys and values and not their lengths";
    "skips-bad-frames" SkipsBadFrames Plain Hole [Media] NONE,
        "replay steps over a frame that does not check out and goes on behind it";
    "silent-tail" SilentTail Plain SilentLoss [Media] NONE,
        "replay ends at a damaged frame as if the log ended there, and says nothing";
    "no-fsync" NoFsync Plain LostAck [Power] ALL,
        "the log is never synced";
    "ack-before-fsync" AckBeforeFsync Plain LostAck [Power] ALL,
        "a write is acknowledged and synced with the next one";
    "fsync-wrong-file" FsyncWrongFile Plain LostAck [Power] ALL,
        "the head is synced where the log should be";
    "no-dir-fsync" NoDirFsync Plain Refused [Power] UNORDERED,
        "directories are never synced";
    "rename-over-unsynced" RenameOverUnsynced Renamed Refused [Power] ALL,
        "the new head is renamed over the old one before it is synced";
    "rename-new-unsynced" RenameNewUnsynced Plain Refused [Power] ALL,
        "a snapshot gets its name before it is synced";
    "log-removed-early" LogRemovedEarly Plain Refused [Power] ALL,
        "the log is removed before the checkpoint that replaces it is durable";
    "group-acks-late-writes" GroupAcksLateWrites Group LostAck [Power] ALL,
        "a group commit acknowledges writes made after its sync began";
    "segment-reuse" SegmentReuse Recycled LostAck [Kill Power] ALL,
        "frames of a segment's earlier life are replayed as new";
    "relaxed-skips-bad-frames" RelaxedSkipsBadFrames Relaxed Hole [Power] ALL,
        "replay steps over a frame that was lost and goes on behind it";
    "close-not-synced" CloseNotSynced Relaxed LostAck [Power] ALL,
        "close writes what is left, does not sync it, and says that it is durable";
    "recovery-in-place" RecoveryInPlace Plain LostAck [Power] ALL,
        "recovery rewrites the log in place: a crash inside it loses the log";
    "sync-file-range" SyncFileRange Plain LostAck [Power] ALL,
        "sync_file_range is taken for fsync";
    "msync-missing" MsyncMissing Mapped Refused [Power] ALL,
        "the mapped head is never synced before what it replaces is removed";
    "shared-header" SharedHeader Plain Refused [Power] ALL,
        "one header, in a sector of its own, serves both slots of the head";
    "fsync-error-ignored" FsyncErrorIgnored Plain LostAck [Io] ALL,
        "an error of fsync is ignored and the write acknowledged";
    "fsync-retried" FsyncRetried Plain LostAck [Io] ALL,
        "a failed fsync is tried again, and the second one believed";
    "short-write" ShortWrite Plain LostAck [Io] ALL,
        "a write that was cut short is taken for whole";
    "half-frame" HalfFrame Plain LostAck [Io] NONE,
        "after a failed write half a frame stays, and later frames follow it";
    "failed-write-kept" FailedWriteKept Plain LostAck [Io] NONE,
        "a failed write keeps its place in the sequence, and replay stops at the gap";
    "close-error-ignored" CloseErrorIgnored Relaxed LostAck [Io] ALL,
        "an error of the sync that close makes is ignored";
    "group-followers-believe" GroupFollowersBelieve Group LostAck [Io] ALL,
        "where a group commit's sync fails its leader says so and the others acknowledge";
    "read-error-is-end" ReadErrorIsEnd Plain LostAck [Io] NONE,
        "recovery takes a read error for the end of the log";
}
