//! What a recording begins with: the directory as it stands, and nothing that has happened yet.

use std::io;

use super::options::RecordOptions;
use super::owed::Owed;
use super::strikes::Strikes;
use super::token::Token;
use super::tracer::Tracer;
use super::world::World;
use crate::base::Rng;
use crate::trace::Tree;

/// The state of a tracer at the begin of a recording.
#[derive(Debug)]
pub struct Beginning {
    /// The recorded directory.
    pub world: World,
    /// Who may go on.
    pub token: Token,
    /// What will strike.
    pub strikes: Strikes,
}

impl Beginning {
    /// Reads the directory; with the first picture for the trace.
    pub fn read(options: &RecordOptions) -> io::Result<(Beginning, Tree)> {
        let (world, initial) = World::read(&options.root)?;
        let token = Token::new(Rng::new(options.seed).fork("token"));
        let strikes = Strikes::new(options.plan.clone());
        Ok((Beginning { world, token, strikes }, initial))
    }
}

impl Tracer {
    /// Something happened: in another recording than before, if one was begun meanwhile.
    pub(super) fn begin_again(&mut self) {
        let mut shared = self.shared.lock();
        shared.steps += 1;
        let Some(Beginning { world, token, strikes }) = shared.next.take() else { return };
        drop(shared);
        (self.world, self.token, self.strikes) = (world, token, strikes);
        self.owed = Owed::default();
        self.mappings.forget_files();
        self.next_number = 0;
        for thread in self.threads.values_mut() {
            thread.number = None;
        }
    }
}
