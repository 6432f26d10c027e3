#!/usr/bin/env python3
"""One-line mutations of the real store core, each of which `unplug run` must catch.

Each mutation is applied alone, in a copy of the sources; the copy is built and tortured with the
fault that can show it. A mutation that is not caught is a hole in the harness, or a line of the
store that does nothing. The unmutated store must hold first, under the same options.

    harness/mutations.py                 all of them
    harness/mutations.py NAME...         these
    harness/mutations.py --list          what there is
    harness/mutations.py --fault power   those that one fault must show

Exit 0: the store held and every mutation was caught. Exit 1: one was not. Exit 3: one does not apply
any more, or does not build. A fault that this build does not have is listed as waiting.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = "src/store/"

# name, fault that must show it, engine, file, the line as it is, the line as it becomes
MUTATIONS = [
    ("frame-without-its-last-byte", "kill", "builtin", "log.rs",
     "fs::append_all(file, &path, &draft.bytes)",
     "fs::append_all(file, &path, &draft.bytes[..draft.bytes.len() - 1])"),
    ("deletes-not-replayed", "kill", "builtin", "table.rs",
     "Op::Del(key) => self.keys.remove(&key),", "Op::Del(_) => None,"),
    ("live-values-taken-for-orphans", "kill", "builtin", "recover/tidy.rs",
     "live.chain(table.dead.iter().map(|dead| dead.id)).collect()",
     "live.take(0).chain(table.dead.iter().map(|dead| dead.id)).collect()"),
    ("transaction-number-not-counted-at-replay", "kill", "builtin", "recover/replay.rs",
     "state.end.next_transaction += 1;", ""),
    ("checkpoint-without-its-first-key", "kill", "builtin", "checkpoint.rs",
     "    let prepared = table.pending.values()",
     "    let mut table = table.clone();\n    drop(table.keys.pop_first());\n    let table = &table;\n"
     "    let prepared = table.pending.values()"),
    ("checkpoint-at-the-segments-beginning", "kill", "builtin", "compact.rs",
     "self.log.rotate(disk)?;\n        let position = self.log.end.position;",
     "let position = self.log.base;\n        self.log.rotate(disk)?;"),
    ("compaction-removes-the-newest-segment", "kill", "builtin", "compact.rs",
     "for &old in listing.segments.range(..keep) {", "for &old in listing.segments.range(..=position) {"),
    ("resolved-frames-ignored", "kill", "builtin:prepared", "recover/replay.rs",
     "if !state.table.resolve(head.transaction, head.position) {", "if state.table.pending.is_empty() {"),
    ("aborted-frames-applied", "kill", "builtin:prepared", "recover/replay.rs",
     "if !state.table.abort(head.transaction, head.position) {",
     "if !state.table.resolve(head.transaction, head.position) {"),
    ("small-tail-not-synced", "power", "builtin", "log.rs",
     "if self.synced_to == self.end.position {", "if self.synced_to + 90 > self.end.position {"),
    ("log-sync-goes-to-the-directory", "power", "builtin", "log.rs",
     "fs::sync_data(file, &path).map_err(|failure| disk.poison(&failure))?;",
     "disk.dir.sync().map_err(|failure| disk.poison(&failure))?;"),
    ("new-segments-name-not-synced", "power", "builtin", "log.rs",
     "disk.sync_names()?;\n        count(&disk.counters.segments, 1);",
     "count(&disk.counters.segments, 1);"),
    ("batch-in-two-frames", "power", "builtin", "commit.rs",
     "let position = draft.add(status, old, options.clock.now_ns(), &body);",
     "if let (Status::Committed, Body::Ops([first, _, ..])) = (status, &body) {\n"
     "            let first = std::slice::from_ref(first);\n"
     "            draft.add(status, old, options.clock.now_ns(), &Body::Ops(first));\n        }\n"
     "        let position = draft.add(status, old, options.clock.now_ns(), &body);"),
    ("group-acknowledged-without-sync", "power", "builtin:group", "commit.rs",
     "(options.durability != Durability::Relaxed || is_barrier)",
     "(options.durability == Durability::Immediate || is_barrier)"),
    ("group-synced-before-it-is-written", "power", "builtin:group", "commit.rs",
     "        log.append(disk, draft)?;",
     "        log.sync(disk)?;\n        log.append(disk, draft)?;\n        log.synced_to = log.end.position;"),
    ("unsynced-frames-call-themselves-durable", "power", "builtin:relaxed", "log.rs",
     "durable_to: self.synced_to }", "durable_to: self.end.position }"),
    ("close-does-not-sync", "power", "builtin:relaxed", "store.rs",
     "log.sync(&self.disk)?;\n        let position = log.end.position;", "let position = log.end.position;"),
    ("mark-before-repair", "power", "builtin:relaxed", "recover.rs",
     "report.rewritten_bytes = repair::repair",
     "let _ = mark.write(&disk.dir, replayed.end.position, disk.counters.totals());\n"
     "    report.rewritten_bytes = repair::repair"),
    ("recovery-syncs-and-does-not-rewrite", "io", "builtin:relaxed", "recover/repair.rs",
     "fs::write_at(&file, &path, unproved, offset(proved))?;", ""),
    ("log-not-synced", "power", "builtin", "log.rs",
     "fs::sync_data(file, &path).map_err(|failure| disk.poison(&failure))?;", ""),
    ("acknowledged-without-sync", "power", "builtin", "commit.rs",
     "(options.durability != Durability::Relaxed || is_barrier)", "is_barrier"),
    ("relaxed-sync-does-nothing", "power", "builtin:relaxed", "store.rs",
     "self.keeper().log.sync(&self.disk)", "self.disk.check()"),
    ("relaxed-rotation-without-sync", "power", "builtin:relaxed", "log.rs",
     "self.sync(disk)?;\n        let End", "let End"),
    ("published-file-not-synced", "power", "builtin", "fs.rs",
     ".and_then(|()| sync_all(&file, &path))\n            .and_then(|()| self.rename",
     ".and_then(|()| self.rename"),
    ("directory-never-synced", "power", "builtin", "disk.rs",
     "self.dir.sync().map_err(|failure| self.poison(&failure))", "Ok(())"),
    ("new-store-without-directory-sync", "power", "builtin", "recover.rs",
     "dir.sync()?;\n    mark.write", "mark.write"),
    ("value-file-not-synced", "power", "builtin", "values.rs",
     "fs::append_all(&file, &path, bytes).and_then(|()| fs::sync_all(&file, &path))",
     "fs::append_all(&file, &path, bytes)"),
    ("value-name-not-synced", "power", "builtin", "store.rs",
     "self.disk.sync_names().inspect_err(|_| self.discard(&files))?;", ""),
    ("tail-not-cut-off", "power", "builtin", "recover/repair.rs",
     "fs::cut(&file, &path, offset(end))?;", ""),
    ("tail-cut-one-byte-early", "power", "builtin", "recover/repair.rs",
     "fs::cut(&file, &path, offset(end))?;", "fs::cut(&file, &path, offset(end) - 1)?;"),
    ("recovery-does-not-sync", "power", "builtin:relaxed", "recover/repair.rs",
     "fs::sync_all(&file, &path)?;\n    Ok(unproved", "Ok(unproved"),
    ("recovery-trusts-an-empty-segments-name", "power", "builtin", "recover/repair.rs",
     "if is_marked && end == 0 && state.torn.is_none() && state.damage.is_none() {",
     "if state.bytes.len() == 64 {"),
    ("recovery-takes-the-mark-for-the-segments-name", "power", "builtin", "recover/repair.rs",
     "if is_marked && end == 0 && state", "if is_marked && state"),
    ("removed-before-the-checkpoint-is-durable", "power", "builtin", "compact.rs",
     "publish(disk, &header, table, keep)?;\n        disk.sync_names()?;",
     "remove(disk, table, position, None, position);\n        publish(disk, &header, table, keep)?;"),
    ("crc-not-checked", "media", "builtin", "frame.rs",
     "if crc32(&[&header[..28], payload]) != crc {", "if false {"),
    ("value-crc-not-checked", "media", "builtin", "values.rs",
     "if crc32(&[&bytes]) != value.crc {", "if false {"),
    ("page-crc-not-checked", "media", "builtin", "pages.rs",
     "if fields.u32() != Some(crc32(&[&page[4..]])) {",
     "if fields.u32().is_none() {"),
    ("mark-not-believed", "media", "builtin", "recover/replay.rs",
     "if witness.position > end {", "if witness.position > u64::MAX - 1 {"),
    ("dropped-tail-not-reported", "media", "builtin", "recover/replay.rs",
     "state.notices.push(Notice::TailDropped { file: name, offset, bytes, reason });",
     "let _ = bytes;"),
    ("failed-write-not-taken-back", "io", "builtin", "log.rs",
     "self.take_back(disk, self.end)?;\n            return Err", "return Err"),
    ("failed-sync-ignored", "io", "builtin", "log.rs",
     "fs::sync_data(file, &path).map_err(|failure| disk.poison(&failure))?;",
     "let _ = fs::sync_data(file, &path);"),
    ("failed-sync-tried-again", "io", "builtin", "log.rs",
     "fs::sync_data(file, &path).map_err(|failure| disk.poison(&failure))?;",
     "fs::sync_data(file, &path).or_else(|_| fs::sync_data(file, &path))"
     ".map_err(|failure| disk.poison(&failure))?;"),
    ("followers-of-a-failed-leader-acknowledged", "io", "builtin:group", "commit.rs",
     "drafted.iter().for_each(|drafted| answer(drafted.ticket, Err(error.copy())));",
     "drafted.iter().take(1).for_each(|drafted| answer(drafted.ticket, Err(error.copy())));\n"
     "        drafted.iter().skip(1).for_each(|drafted| answer(drafted.ticket, Ok(drafted.transaction)));"),
    ("short-write-not-continued", "io", "builtin", "fs.rs",
     "rest = &rest[written..];", "rest = &rest[rest.len().max(written)..];"),
    ("read-error-taken-for-the-end", "io", "builtin", "fs.rs",
     ".map_err(|e| IoFailure::new(\"read\", path, e))?;\n        if read == 0 {",
     ".unwrap_or(0);\n        if read == 0 {\n            bytes.truncate(have);\n            return Ok(bytes);"
     "\n        }\n        if read == 0 {"),
    ("poison-ignored", "io", "builtin", "disk.rs",
     "Some(why) => Err(WriteError::Poisoned(why.clone())),", "Some(_) => Ok(()),"),
]


def run(command, cwd, environment, **more):
    return subprocess.run(command, cwd=cwd, env=environment, text=True, **more)


class Bench:
    """A copy of the sources, built again and again.

    The copy stays beside what is built from it, so that a second run builds only what changed: a file
    is written only where its bytes differ, and then with the time of now, for a build tool goes by times.
    """

    def __init__(self, folder, budget):
        self.out = folder / "reports"
        self.budget = budget
        target = os.environ.get("UNPLUG_MUTATIONS_TARGET", str(ROOT / "target" / "mutations"))
        self.copy = Path(target) / "copy"
        self.environment = {**os.environ, "CARGO_TARGET_DIR": target}
        self.program = Path(target) / "debug" / "unplug"
        listed = run(["git", "ls-files"], ROOT, os.environ, capture_output=True, check=True)
        names = set(listed.stdout.splitlines())
        for old in [path for path in self.copy.rglob("*") if path.is_file()]:
            if str(old.relative_to(self.copy)) not in names:
                old.unlink()
        for name in names:
            source, copy = ROOT / name, self.copy / name
            if not copy.is_file() or copy.read_bytes() != source.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, copy)

    def build(self):
        built = run(["cargo", "build", "--quiet", "--bin", "unplug"], self.copy, self.environment,
                    capture_output=True)
        return "" if built.returncode == 0 else built.stderr[-3000:]

    def torture(self, engine, fault):
        command = [self.program, "run", engine, "--faults", fault, "--seed", "1", "--budget",
                   self.budget, "--profile", "strict", "--fail-on", "strict", "--out", self.out]
        ended = run(command, self.copy, self.environment, capture_output=True)
        return ended.returncode, ended.stdout + ended.stderr

    def mutate(self, name, before, after):
        path = self.copy / STORE / name
        text = path.read_text()
        if text.count(before) != 1:
            return None
        path.write_text(text.replace(before, after))
        return lambda: path.write_text(text)


def findings(said):
    """What kinds were found, the first first, notes not among them; and the first one's sentence."""
    lines = [line for line in said.splitlines() if line.startswith("VIOLATION ")]
    kinds = list(dict.fromkeys(line.split()[1] for line in lines))
    last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
    return kinds, lines[0].removeprefix("VIOLATION ") if lines else last


def main():
    parser = argparse.ArgumentParser(description="Mutations of the store that must be caught")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--fault")
    parser.add_argument("--budget", default="20s")
    asked = parser.parse_args()
    chosen = [m for m in MUTATIONS
              if (not asked.names or m[0] in asked.names) and asked.fault in (None, m[1])]
    if asked.list:
        for name, fault, engine, file, _, _ in chosen:
            print(f"{fault:6} {engine:16} {name}  ({STORE}{file})")
        return 0
    caught, missed, broken, waiting = {}, [], [], []
    with tempfile.TemporaryDirectory(prefix="unplug-mutations-") as folder:
        bench = Bench(Path(folder), asked.budget)
        if error := bench.build():
            print(error)
            return 3
        present = run([bench.program, "list", "faults"], bench.copy, bench.environment,
                      capture_output=True).stdout.splitlines()
        absent = {line.split(":")[0] for line in present if "not in this build" in line}
        for engine, fault in sorted({(m[2], m[1]) for m in chosen if m[1] not in absent}):
            code, said = bench.torture(engine, fault)
            if code != 0:
                print(f"the unmutated {engine} does not hold under {fault} (exit {code}):\n{said}")
                return 1
            print(f"held     {engine} under {fault}, unmutated", flush=True)
        for name, fault, engine, file, before, after in chosen:
            if fault in absent:
                waiting.append(name)
                print(f"waiting  {name}: this build has no fault {fault}")
                continue
            undo = bench.mutate(file, before, after)
            if undo is None:
                broken.append(name)
                print(f"BROKEN   {name}: {STORE}{file} does not hold its line exactly once")
                continue
            error = bench.build()
            undo()
            if error:
                broken.append(name)
                print(f"BROKEN   {name}: does not build\n{error}")
                continue
            code, said = bench.torture(engine, fault)
            kinds, first = findings(said)
            if code in (1, 3):
                by = kinds[0] if kinds else "control"
                caught.setdefault(by, []).append(name)
                print(f"caught   {name}: {', '.join(kinds) or 'before any fault'}; {first[:110]}")
            else:
                missed.append(name)
                print(f"MISSED   {name}: exit {code}, {first[:110]}")
            sys.stdout.flush()
    print()
    for kind, names in sorted(caught.items()):
        print(f"caught first as {kind} ({len(names)}): {', '.join(names)}")
    for word, names in [("missed", missed), ("broken", broken), ("waiting", waiting)]:
        if names:
            print(f"{word} ({len(names)}): {', '.join(names)}")
    done = sum(map(len, caught.values()))
    print(f"{done} caught, {len(missed)} missed, {len(broken)} broken, {len(waiting)} waiting")
    return 1 if missed else 3 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
