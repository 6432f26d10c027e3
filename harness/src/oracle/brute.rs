//! For tests: a checker written from ORACLE.md alone, which tries every set of operations in every
//! order. It knows nothing of the real one but the words of the document; on small histories both
//! must agree, on what is legal and on what it is called.

use std::collections::BTreeSet;

use crate::base::Rng;
use crate::driver::{Capabilities, Durable, KillPromise};
use crate::oracle::{Judge, Kind, Loss};
use crate::recover::{Recovered, Recovery};
use crate::workload::contents::apply;
use crate::workload::{
    Answer, Contents, History, Key, Moment, Mutation, Operation, Request, Value,
};

/// Which of the clauses 1, 2 and 5 hold.
#[derive(Clone, Copy)]
struct Hold {
    one: bool,
    two: bool,
    five: bool,
}

/// Whether a close that failed, and an open after it, took this acknowledgement back: where the
/// capabilities leave what a process has in its memory to a later sync or close, and none came before.
fn taken_back(history: &History, at: usize, caps: &Capabilities) -> bool {
    let Some(acked) = history.operations[at].acknowledged() else { return false };
    if caps.kill == KillPromise::Ack || caps.durable == Durable::Ack {
        return false;
    }
    let covers = |request: &Request| match request {
        Request::Close => true,
        Request::Sync => caps.kill == KillPromise::Sync || caps.durable == Durable::Sync,
        _ => false,
    };
    let operations = &history.operations;
    operations.iter().enumerate().any(|(number, close)| {
        let failed = close.request == Request::Close && close.acknowledged().is_none();
        let begun_later = close.begun >= acked;
        let covered = operations[..number].iter().any(|barrier| {
            covers(&barrier.request) && barrier.acknowledged().is_some() && barrier.begun > acked
        });
        // The next close or open: another close that is answered well shows that it had not ended.
        let next = operations[number + 1..]
            .iter()
            .find(|next| matches!(next.request, Request::Open | Request::Close));
        let opened =
            next.is_some_and(|next| next.request == Request::Open && next.acknowledged().is_some());
        failed && begun_later && !covered && opened
    })
}

/// Whether the document promises this operation.
fn promised(history: &History, at: usize, caps: &Capabilities, loss: Loss) -> bool {
    let Some(acked) = history.operations[at].acknowledged() else { return false };
    if taken_back(history, at, caps) {
        return false;
    }
    let covered_by = |want: &dyn Fn(&Request) -> bool| {
        history.operations.iter().any(|operation| {
            want(&operation.request)
                && operation.acknowledged().is_some()
                && operation.begun > acked
        })
    };
    let sync_or_close = |request: &Request| matches!(request, Request::Sync | Request::Close);
    let close = |request: &Request| *request == Request::Close;
    let kill = match caps.kill {
        KillPromise::Ack => true,
        KillPromise::Sync => covered_by(&sync_or_close),
        KillPromise::Close => covered_by(&close),
    };
    match loss {
        Loss::None => kill || covered_by(&close),
        Loss::Kill => kill,
        Loss::Power => match caps.durable {
            Durable::Ack => true,
            Durable::Sync if caps.close_durable => covered_by(&sync_or_close),
            Durable::Sync => covered_by(&|request| *request == Request::Sync),
            Durable::None => false,
        },
    }
}

struct Brute<'a> {
    history: &'a History,
    caps: &'a Capabilities,
    loss: Loss,
    shown: &'a Contents,
    hold: Hold,
    changing: Vec<usize>,
}

impl Brute<'_> {
    /// Chooses for each operation in turn whether it is in S, and (without clause 2) which part.
    fn any_set(&self, set: &mut Vec<(usize, Vec<Mutation>)>, next: usize) -> bool {
        let Some(&at) = self.changing.get(next) else { return self.set_is_legal(set) };
        let all = self.history.operations[at].request.mutations();
        for mask in 0..1u32 << all.len() {
            let whole = mask == (1 << all.len()) - 1;
            if mask != 0 && !whole && self.hold.two {
                continue;
            }
            if mask == 0 {
                if self.any_set(set, next + 1) {
                    return true;
                }
                continue;
            }
            let part = all.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
            set.push((at, part.map(|(_, mutation)| mutation.clone()).collect()));
            let found = self.any_set(set, next + 1);
            set.pop();
            if found {
                return true;
            }
        }
        false
    }

    fn set_is_legal(&self, set: &[(usize, Vec<Mutation>)]) -> bool {
        let operations = &self.history.operations;
        let within = |at: usize| set.iter().any(|(member, _)| *member == at);
        for &at in &self.changing {
            if within(at) {
                continue;
            }
            if self.hold.one && promised(self.history, at, self.caps, self.loss) {
                return false;
            }
            if self.hold.five
                && let Some(acked) = operations[at].acknowledged()
                && !taken_back(self.history, at, self.caps)
                && set.iter().any(|(member, _)| operations[*member].begun > acked)
            {
                return false;
            }
        }
        let mut left: Vec<usize> = (0..set.len()).collect();
        self.any_start(set, &mut left)
    }

    /// The initial state is there, but for what nobody promised.
    fn any_start(&self, set: &[(usize, Vec<Mutation>)], left: &mut Vec<usize>) -> bool {
        let optional =
            !self.hold.one || (self.loss == Loss::Power && self.caps.durable == Durable::None);
        let pairs: Vec<_> = self.history.initial.iter().collect();
        for mask in 0..1u32 << pairs.len() {
            let whole = mask == (1 << pairs.len()) - 1;
            if !whole && (!optional || (self.hold.five && !set.is_empty())) {
                continue;
            }
            let start = pairs.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
            let start = start.map(|(_, (key, value))| ((*key).clone(), (*value).clone()));
            if self.any_order(set, left, start.collect()) {
                return true;
            }
        }
        false
    }

    fn any_order(
        &self,
        set: &[(usize, Vec<Mutation>)],
        left: &mut Vec<usize>,
        state: Contents,
    ) -> bool {
        if left.is_empty() {
            return state == *self.shown;
        }
        let operations = &self.history.operations;
        for index in 0..left.len() {
            let (at, part) = &set[left[index]];
            let blocked = left.iter().any(|&other| {
                let end = operations[set[other].0].answered.as_ref().map(|(moment, _)| *moment);
                end.is_some_and(|end| end < operations[*at].begun)
            });
            if blocked {
                continue;
            }
            let mut state = state.clone();
            part.iter().for_each(|mutation| apply(&mut state, mutation));
            let taken = left.remove(index);
            let found = self.any_order(set, left, state);
            left.insert(index, taken);
            if found {
                return true;
            }
        }
        false
    }
}

fn legal(history: &History, caps: &Capabilities, loss: Loss, shown: &Contents, hold: Hold) -> bool {
    let changing = |at: &usize| !history.operations[*at].request.mutations().is_empty();
    let changing = (0..history.operations.len()).filter(changing).collect();
    Brute { history, caps, loss, shown, hold, changing }.any_set(&mut Vec::new(), 0)
}

/// What the document calls it; empty where it is legal.
fn names(history: &History, caps: &Capabilities, loss: Loss, shown: &Contents) -> BTreeSet<Kind> {
    let mutations =
        || history.operations.iter().flat_map(|operation| operation.request.mutations());
    let mut strange = BTreeSet::new();
    for (key, value) in shown {
        let initial = history.initial.get(key);
        let mut values = mutations().filter(|mutation| mutation.key() == key);
        let known =
            initial == Some(value) || values.any(|mutation| mutation.value() == Some(value));
        let put = |mutation: &Mutation| mutation.key() == key && mutation.value().is_some();
        if !known {
            let written = initial.is_some() || mutations().any(put);
            strange.insert(if written { Kind::CorruptValue } else { Kind::GhostKey });
        }
    }
    if !strange.is_empty() {
        return strange;
    }
    let five = caps.order_prefix;
    if legal(history, caps, loss, shown, Hold { one: true, two: true, five }) {
        return BTreeSet::new();
    }
    let groups: [(&[u8], &[Kind]); 7] = [
        (&[1], &[Kind::LostAck]),
        (&[5], &[Kind::Hole]),
        (&[1, 5], &[Kind::LostAck]),
        (&[2], &[Kind::TornBatch]),
        (&[2, 5], &[Kind::TornBatch]),
        (&[1, 2], &[Kind::LostAck, Kind::TornBatch]),
        (&[1, 2, 5], &[Kind::LostAck, Kind::TornBatch]),
    ];
    for (removed, kinds) in groups {
        let hold = Hold {
            one: !removed.contains(&1),
            two: !removed.contains(&2),
            five: five && !removed.contains(&5),
        };
        if legal(history, caps, loss, shown, hold) {
            return kinds.iter().copied().collect();
        }
    }
    panic!("no group of clauses names it: {history:?} {shown:?}");
}

fn random_mutation(rng: &mut Rng) -> Mutation {
    let key = Key::from(["a", "b", "c"][rng.index(3)]);
    match rng.below(3) {
        0 => Mutation::Del(key),
        _ => Mutation::Put(key, Value::from(["1", "2", "3"][rng.index(3)])),
    }
}

fn random_request(rng: &mut Rng, idle: bool) -> Request {
    match rng.below(10) {
        0 if idle => Request::Sync,
        1 if idle => Request::Close,
        2 if idle => Request::Open,
        0..5 => {
            let mut batch: Vec<Mutation> = Vec::new();
            for _ in 0..rng.between(1, 3) {
                let mutation = random_mutation(rng);
                if batch.iter().all(|other| other.key() != mutation.key()) {
                    batch.push(mutation);
                }
            }
            Request::Batch(batch)
        }
        _ => Request::Write(random_mutation(rng)),
    }
}

/// Up to six requests, up to `threads` of them outstanding at a time.
fn random_history(rng: &mut Rng, threads: usize) -> History {
    let mut history = History::default();
    for key in ["a", "b"] {
        if rng.percent(25) {
            history.initial.insert(Key::from(key), Value::from("1"));
        }
    }
    let count = rng.between(1, 6) as usize;
    let mut outstanding: Vec<usize> = Vec::new();
    let mut now = 0;
    for _ in 0..40 {
        now += 1;
        let exclusive = outstanding.iter().any(|&at| history.operations[at].request.is_exclusive());
        let may_begin =
            history.operations.len() < count && outstanding.len() < threads && !exclusive;
        if may_begin && (outstanding.is_empty() || rng.percent(50)) {
            let failed_close = history.operations.last().is_some_and(|last| {
                last.request == Request::Close && last.acknowledged().is_none()
            });
            let request = match failed_close && outstanding.is_empty() && rng.percent(70) {
                true => Request::Open,
                false => random_request(rng, outstanding.is_empty()),
            };
            outstanding.push(history.operations.len());
            history.operations.push(Operation { request, begun: Moment(now), answered: None });
        } else if !outstanding.is_empty() && rng.percent(80) {
            let at = outstanding.remove(rng.index(outstanding.len()));
            let closes = history.operations[at].request == Request::Close;
            let answer = if rng.percent(if closes { 50 } else { 80 }) {
                Answer::Ack
            } else {
                Answer::Err("no".into())
            };
            history.operations[at].answered = Some((Moment(now), answer));
        }
    }
    history
}

fn random_contents(rng: &mut Rng, history: &History) -> Contents {
    let mut state = history.initial.clone();
    let mut order: Vec<usize> = (0..history.operations.len()).collect();
    if rng.percent(30) {
        rng.shuffle(&mut order);
    }
    let keep = rng.between(40, 100);
    for at in order {
        for mutation in history.operations[at].request.mutations() {
            let chance = if rng.percent(30) { keep } else { 100 };
            if rng.percent(chance) {
                apply(&mut state, mutation);
            }
        }
    }
    if rng.percent(25) {
        apply(&mut state, &random_mutation(rng));
    }
    state
}

fn random_capabilities(rng: &mut Rng) -> Capabilities {
    Capabilities {
        durable: [Durable::Ack, Durable::Ack, Durable::Sync, Durable::None][rng.index(4)],
        kill: [KillPromise::Ack, KillPromise::Sync, KillPromise::Close][rng.index(3)],
        order_prefix: rng.percent(40),
        close_durable: rng.percent(50),
        ..super::written::capabilities()
    }
}

#[test]
fn the_oracle_agrees_with_trying_every_set_in_every_order() {
    let mut counts = std::collections::BTreeMap::<Vec<Kind>, u32>::new();
    for seed in 0..25_000 {
        let rng = &mut Rng::new(seed);
        let threads = rng.between(1, 3) as usize;
        let whole = random_history(rng, threads);
        let caps = random_capabilities(rng);
        let loss = [Loss::Kill, Loss::Power, Loss::None][rng.index(3)];
        let last = whole.operations.iter().map(|operation| operation.begun.0 + 8).max();
        let crash = Moment(rng.between(1, last.unwrap_or(1)));
        let cut = whole.until(crash);
        let judge = Judge::new(&whole, &caps);
        for _ in 0..3 {
            let shown = random_contents(rng, &cut);
            let expected = names(&cut, &caps, loss, &shown);
            let recovered = Recovered { contents: shown.clone(), ..Recovered::default() };
            let verdict = judge.at(crash, loss, &Recovery::Opened(recovered));
            let found: BTreeSet<Kind> = verdict.violations.iter().map(|found| found.kind).collect();
            let strange = |kind: &Kind| matches!(kind, Kind::CorruptValue | Kind::GhostKey);
            let found = match found.iter().any(strange) {
                true => found.into_iter().filter(strange).collect(),
                false => found,
            };
            assert!(!verdict.undecided, "seed {seed}");
            assert_eq!(
                found, expected,
                "seed {seed}: {cut:#?}\n{caps:?}\n{loss:?}\n{shown:?}\n{:#?}",
                verdict.violations
            );
            assert_eq!(expected.is_empty(), judge.is_legal(crash, loss, &shown));
            *counts.entry(expected.into_iter().collect()).or_default() += 1;
        }
    }
    // The comparison means something only where every name occurs often.
    for kinds in [
        vec![],
        vec![Kind::LostAck],
        vec![Kind::TornBatch],
        vec![Kind::Hole],
        vec![Kind::LostAck, Kind::TornBatch],
        vec![Kind::CorruptValue],
        vec![Kind::GhostKey],
    ] {
        let count = counts.get(&kinds).copied().unwrap_or(0);
        assert!(count > 20, "{kinds:?} only {count} times: {counts:?}");
    }
}

#[test]
fn histories_of_nothing_but_short_values_and_many_threads_are_still_decided() {
    let (mut legal, mut illegal) = (0, 0);
    for seed in 0..60 {
        let rng = &mut Rng::new(seed);
        let mut history = random_history(rng, 1);
        history.operations.clear();
        let mut outstanding: Vec<usize> = Vec::new();
        for now in 0..300 {
            let more = history.operations.len() < 100 && outstanding.len() < 4;
            if more && (outstanding.is_empty() || rng.percent(60)) {
                let (request, begun) = (random_request(rng, false), Moment(now));
                outstanding.push(history.operations.len());
                history.operations.push(Operation { request, begun, answered: None });
            } else if !outstanding.is_empty() {
                let at = outstanding.remove(rng.index(outstanding.len()));
                history.operations[at].answered = Some((Moment(now), Answer::Ack));
            }
        }
        let judge = Judge::new(&history, &random_capabilities(rng));
        for _ in 0..4 {
            let contents = random_contents(rng, &history);
            let recovered = Recovered { contents, ..Recovered::default() };
            let verdict = judge.at(crate::oracle::END, Loss::Power, &Recovery::Opened(recovered));
            assert!(!verdict.undecided, "seed {seed}");
            *(if verdict.held() { &mut legal } else { &mut illegal }) += 1;
        }
    }
    assert!(legal > 20 && illegal > 20, "{legal} legal, {illegal} illegal");
}
