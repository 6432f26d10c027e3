//! The tracing thread: it takes orders to start a program, traces it to its end, and takes the next.
//! Everything that it traces ends with it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::sync::{Arc, mpsc};

use super::beginning::Beginning;
use super::mapping::Mappings;
use super::options::RecordOptions;
use super::output::{Output, Speech};
use super::owed::Owed;
use super::recorder::Started;
use super::spawn::{self, Command, Standard};
use super::stack::Unwinding;
use super::timeline::Shared;
use super::tracer::Tracer;
use super::{filter, status};

/// One order.
#[derive(Debug)]
pub struct Start {
    /// What to start.
    pub command: Command,
    /// Its standard descriptors.
    pub standard: Standard,
    /// Where to say that it has begun.
    pub tell: mpsc::SyncSender<Started>,
}

/// Says that nothing is traced any more, also when the tracing thread panics.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set_over();
    }
}

/// The tracing thread's whole life.
pub fn serve(
    shared: &Arc<Shared>,
    orders: &mpsc::Receiver<Start>,
    Beginning { world, token, strikes }: Beginning,
    options: &RecordOptions,
    speech: Speech,
) -> io::Result<()> {
    let _over = Over(shared.clone());
    let own_mask = options.cpu.map(pin).transpose()?;
    let filter = filter::program(options.trace_reads);
    let root = status::of(&File::open(&options.root)?)?;
    let mut tracer = Tracer {
        shared: shared.clone(),
        world,
        threads: BTreeMap::new(),
        token,
        mappings: Mappings::default(),
        strikes,
        owed: Owed::default(),
        output: Output::new(speech),
        stdout: root.identity,
        stdin: root.identity,
        root_device: root.identity.dev,
        own_mask,
        reads: options.trace_reads,
        stacks: options.stacks,
        unwinding: Unwinding::default(),
        main: 0,
        killed: false,
        backlog: Default::default(),
        next_number: 0,
        names: HashMap::new(),
        watched: None,
        warden: None,
        trouble: None,
    };
    while let Ok(order) = orders.recv() {
        let over = Over(shared.clone());
        tracer.stdout = status::of(&order.standard.stdout)?.identity;
        tracer.stdin = status::of(&order.standard.stdin)?.identity;
        tracer.output = Output::new(speech);
        let started = spawn::start(&order.command, order.standard, &filter, options.cpu);
        match started {
            Ok(spawned) => {
                tracer.main = spawned.pid;
                tracer.know(spawned.pid);
                let _ = order.tell.send(Ok(spawned));
            }
            Err(error) => {
                let _ = order.tell.send(Err(error));
                continue;
            }
        }
        tracer.run()?;
        drop(over);
        if let Some(error) = tracer.trouble.take() {
            return Err(error);
        }
    }
    shared.lock().seen.modules = tracer.unwinding.into_modules();
    Ok(())
}

/// Moves this thread to one processor. Returns the processors that it had before.
fn pin(cpu: usize) -> io::Result<Vec<u8>> {
    let mut before = vec![0u8; size_of::<libc::cpu_set_t>()];
    // SAFETY: the buffer has the size that is passed.
    let size =
        unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, before.len(), before.as_mut_ptr()) };
    if size < 0 {
        return Err(io::Error::last_os_error());
    }
    before.truncate(size as usize);
    let mut only = nix::sched::CpuSet::new();
    only.set(cpu)?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &only)?;
    Ok(before)
}
