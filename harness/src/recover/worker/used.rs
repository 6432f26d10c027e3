//! A recovered store in ordinary use: requests after its `dump`, with no fault among them.

use std::sync::Arc;

use super::{FAREWELL, Ready, Worker};
use crate::base::{HarnessError, Result};
use crate::driver::{DriverFault, Hang, reason};
use crate::image::Image;
use crate::recover::converse::ask;
use crate::recover::outcome::Used;
use crate::workload::text::print_request;
use crate::workload::{Answer, Request};

/// How much of a request is told.
const TOLD: usize = 60;

impl Worker {
    /// Recovers `image` and asks the requests of the setup.
    pub fn used(&mut self, image: &Image) -> Result<Used> {
        let requests = Arc::clone(&self.setup.usage);
        self.used_for(image, &requests)
    }

    /// Recovers `image` and asks these requests. An answer that does not come within the first limit is a
    /// hang until it is confirmed; see [`Setup::confirms`].
    pub fn used_for(&mut self, image: &Image, requests: &[Request]) -> Result<Used> {
        self.become_image(image)?;
        self.forget_refusals();
        let dir = self.workdir.path().to_path_buf();
        let Ready { mut process, mut session, .. } = self.ready()?;
        session.take_warnings();
        for request in [Request::Open, Request::Dump] {
            match ask(&mut session, &request, &dir) {
                Ok(answered) if answered.answer == Answer::Ack => {}
                Err(DriverFault::Abandoned) => return Err(HarnessError::Interrupted),
                // Recovery itself fails: that is judged elsewhere.
                Ok(_) | Err(_) => return Ok(Used::Well),
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
                Ready { process, session, .. } = self.ready()?;
            }
            let fault = match ask(&mut session, request, &dir) {
                Ok(answered) if *request == Request::Open && answered.answer != Answer::Ack => {
                    return Ok(Used::Well);
                }
                Ok(answered) => {
                    closed = *request == Request::Close && answered.answer == Answer::Ack;
                    continue;
                }
                Err(fault) => fault,
            };
            match fault {
                DriverFault::Abandoned => return Err(HarnessError::Interrupted),
                // It was not waited for as long as the user says: nothing is proven.
                DriverFault::Hung { hang: Hang::Cut { .. }, .. } | DriverFault::TookRoom { .. } => {
                    return Ok(Used::Well);
                }
                DriverFault::Hung { .. } if !self.setup.confirms => self.setup.hangs.note(),
                _ => {}
            }
            let how = match process.explain(fault) {
                DriverFault::Died { how, stderr } if !reason(&stderr).is_empty() => {
                    format!("{how} ({})", reason(&stderr))
                }
                fault => fault.to_string(),
            };
            let request = print_request(request).chars().take(TOLD).collect();
            return Ok(Used::Died { request, nth, how });
        }
        if closed {
            self.keep(process, session);
        }
        Ok(Used::Well)
    }
}
