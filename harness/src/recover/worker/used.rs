//! A recovered store in ordinary use: requests after its `dump`, with no fault among them.

use std::sync::Arc;

use super::{FAREWELL, Setup, Worker};
use crate::base::{HarnessError, Result};
use crate::driver::{DriverFault, DriverProcess, Room, Session};
use crate::image::Image;
use crate::recover::converse::ask;
use crate::recover::outcome::Used;
use crate::workload::text::print_request;
use crate::workload::{Answer, Request};

/// How much of a request is told.
const TOLD: usize = 60;

/// How one use ended.
enum End {
    Used(Used),
    /// No answer in time; as a death it would be this.
    Hung(Used),
}

impl Worker {
    /// Recovers `image` and asks the requests of the setup.
    pub fn used(&mut self, image: &Image) -> Result<Used> {
        let requests = Arc::clone(&self.setup.usage);
        self.used_for(image, &requests)
    }

    /// Recovers `image` and asks these requests. The first hang counts only if it is one at three times
    /// the limit, in a fresh process.
    pub fn used_for(&mut self, image: &Image, requests: &[Request]) -> Result<Used> {
        let died = match self.use_once(image, requests)? {
            End::Used(used) => return Ok(used),
            End::Hung(died) => died,
        };
        if self.setup.hangs.count() > 0 {
            self.setup.hangs.note();
            return Ok(died);
        }
        let timeouts = self.setup.timeouts.to_confirm();
        let patient = Setup { timeouts, ..self.setup.clone() };
        match Worker::new(&patient)?.use_once(image, requests)? {
            End::Used(used) => Ok(used),
            End::Hung(died) => {
                self.setup.hangs.note();
                Ok(died)
            }
        }
    }

    fn use_once(&mut self, image: &Image, requests: &[Request]) -> Result<End> {
        self.become_image(image)?;
        self.forget_refusals();
        let dir = self.workdir.path().to_path_buf();
        let (mut process, mut session) = self.ready()?;
        for request in [Request::Open, Request::Dump] {
            match ask(&mut session, &request, &dir) {
                Ok(answered) if answered.answer == Answer::Ack => {}
                Err(DriverFault::Abandoned) => return Err(HarnessError::Interrupted),
                // Recovery itself fails: that is judged elsewhere.
                Ok(_) | Err(_) => return Ok(End::Used(Used::Well)),
            }
        }
        let mut closed = false;
        let allowed = |request: &&Request| self.setup.capabilities.allow(request);
        let asked: Vec<&Request> = requests.iter().filter(allowed).collect();
        for (nth, request) in (1..).zip(asked) {
            if *request == Request::Open && !self.setup.capabilities.reopen {
                session.end_input();
                // How it ends after `close` was answered is no part of its use.
                let _ = process.finish(FAREWELL);
                (process, session) = self.ready()?;
            }
            let fault = match ask(&mut session, request, &dir) {
                Ok(answered) if *request == Request::Open && answered.answer != Answer::Ack => {
                    return Ok(End::Used(Used::Well));
                }
                Ok(answered) => {
                    closed = *request == Request::Close && answered.answer == Answer::Ack;
                    continue;
                }
                Err(fault) => fault,
            };
            let hung = matches!(fault, DriverFault::Hung { .. });
            match fault {
                DriverFault::Abandoned => return Err(HarnessError::Interrupted),
                DriverFault::TookRoom { .. } => return Ok(End::Used(Used::Well)),
                _ => {}
            }
            let how = process.explain(fault).to_string();
            let request = print_request(request).chars().take(TOLD).collect();
            let died = Used::Died { request, nth, how };
            return Ok(if hung { End::Hung(died) } else { End::Used(died) });
        }
        if closed {
            self.keep(process, session);
        }
        Ok(End::Used(Used::Well))
    }

    /// A process that waits for `open`.
    fn ready(&mut self) -> Result<(DriverProcess, Session)> {
        let (process, mut session) = self.process()?;
        session.heed(Arc::clone(&self.setup.interrupted));
        let dir = self.workdir.path().to_path_buf();
        session.limit_room(Room { dir, limit_bytes: self.room_bytes });
        session.take_warnings();
        Ok((process, session))
    }
}
