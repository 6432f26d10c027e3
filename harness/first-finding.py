#!/usr/bin/env python3
"""How soon a build finds planted flaws: distinct images and seconds to the first failing case.

    harness/first-finding.py UNPLUG [--seeds N] [--programs FOLDER] [NAME…]

Runs every canary scenario of the power and kill faults with N seeds (five by default), and with --programs each
`*.py` of a folder of drivers under the power fault for ten seconds. Prints a line for each: the median number of
images and seconds at the first failing case, and in how many of the runs there was one. The figures come from
`first_failure` in report.json.
"""
import argparse, glob, json, os, statistics, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CANARIES = os.path.join(HERE, "..", "scenarios", "canaries", "*.json")


def options(said, seed):
    words = ["--seed", str(seed)]
    for name, value in said.items():
        flag = {"value_bytes": "value-size", "timeout_open_s": "timeout-open", "timeout_op_s": "timeout-op"}
        flag = flag.get(name, name.replace("_", "-"))
        if name == "value_bytes":
            value = f"{value[0]}..{value[1]}"
        if isinstance(value, list):
            value = ",".join(value)
        words += [f"--{flag}", str(value)]
    return words


def first(report):
    """The earliest first failure of a run's faults: images, seconds."""
    found = [totals.get("first_failure") for totals in report["faults"].values()]
    found = [(one[0], one[1]) if isinstance(one, list) else (one["recoveries"], one["after_s"]) for one in found if one]
    return min(found, key=lambda one: one[1]) if found else None


def run(unplug, words):
    with tempfile.TemporaryDirectory() as out:
        command = [unplug, "run", "--out", out, *words]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900)
        reports = glob.glob(os.path.join(out, "*", "report.json"))
        return first(json.load(open(reports[0]))) if reports else None


def cases(programs):
    for path in sorted(glob.glob(CANARIES)):
        scenario = json.load(open(path))
        if scenario["options"]["faults"][0] in ("power", "kill"):
            name = os.path.basename(path)[:-5]
            yield name, lambda seed, s=scenario: [*options(s["options"], seed), s["target"]["engine"]]
    for path in sorted(glob.glob(os.path.join(programs, "*.py"))) if programs else []:
        words = ["--faults", "power", "--budget", "10s"]
        args = {"starve.py": ["0.3"], "starve_noreopen.py": ["0.2"], "header.py": ["header"], "nosync.py": ["0"]}
        args = args.get(os.path.basename(path), [])
        yield os.path.basename(path), lambda seed, p=path, a=args: [
            *words, "--seed", str(seed), "--", sys.executable, p, *a]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("unplug")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--programs")
    parser.add_argument("names", nargs="*")
    said = parser.parse_args()
    unplug = os.path.abspath(said.unplug)
    print("| case | found | images | seconds |\n| --- | --- | --- | --- |")
    for name, words in cases(said.programs):
        if said.names and not any(part in name for part in said.names):
            continue
        found = [one for one in (run(unplug, words(seed)) for seed in range(1, said.seeds + 1)) if one]
        images = f"{statistics.median(one[0] for one in found):.0f}" if found else "-"
        seconds = f"{statistics.median(one[1] for one in found):.3f}" if found else "-"
        print(f"| {name} | {len(found)} of {said.seeds} | {images} | {seconds} |", flush=True)


main()
