//! What a recording begins with: the directory as it stands, and nothing that has happened yet.

use std::io;

use super::options::RecordOptions;
use super::strikes::Strikes;
use super::token::Token;
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
