"""Figures of several runs, and the table they make."""

import os
import platform
import statistics
import time
from collections import defaultdict
from pathlib import Path

from .prepare import CLIENT, say

# What a row is judged by: (row, compare, limit, how the limit reads). README.md states the same.
TARGETS = {
    "up random: server CPU s/GiB": ("<=", 1.0),
    "down random: server CPU s/GiB": ("<=", 0.6),
    "plain GET random: server CPU s/GiB": ("<=", 0.8),
    "plain GET random: MiB/s": ("ratio>=", 0.7),
    "eight uploads at once: peak RSS MiB": ("<=", 150),
    "HEAD resolve: requests per server CPU s": (">=", 5000),
    "HEAD resolve, token: requests per server CPU s": (">=", 5000),
    "GET model info: requests per server CPU s": (">=", 5000),
    "GET model info, token: requests per server CPU s": (">=", 5000),
    "start on 10000 repositories: s": ("<=", 0.3),
    "binary: MB": ("<=", 60),
    "lists over 100000 repositories at 200/s: p99 ms": ("<=", 20),
    "facets over 100000 repositories: p99 ms": ("<=", 50),
    "webhooks: commits are slower by %": ("<=", 5),
    "webhook deliveries queued while commits go on: per s": (">=", 1000),
    "bucket sync of 10000 files, up: s": ("<=", 60),
}
for _name in ("10,000 files", "5,000 commits"):
    TARGETS |= {
        f"clone of {_name}: s": ("git<=", 1.0),
        f"clone of {_name}: server CPU s": ("git<=", 1.0),
        f"clone of {_name}: MiB of pack": ("git<=", 1.3),
        f"clone of {_name}: memory above idle, MiB": ("<=", 64),
        f"clone of {_name}, nothing ready: s": ("git<=", 1.5),
        f"clone of {_name}, nothing ready: memory above idle, MiB": ("<=", 64),
        f"shallow clone of {_name}: s": ("git<=", 1.0),
        f"push of {_name}: s": ("git<=", 1.3),
        f"push of {_name}: server CPU s": ("git<=", 1.3),
    }


def load():
    return os.getloadavg()[0]


def busy_s():
    """Processor seconds of the whole machine, and of this run with all its ended children."""
    user, nice, system, _idle, _wait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"), sum(os.times()[:4])


class Report:
    def __init__(self, arguments):
        self.rows = defaultdict(lambda: defaultdict(list))
        self.errors, self.arguments = [], arguments
        self.begin, self.loads, self.busy = time.time(), [load()], busy_s()

    def add(self, row, who, value):
        self.rows[row][who].append(value)
        self.loads.append(load())

    def error(self, section, error):
        self.errors.append(f"{section}: {error}")
        say(f"ERROR in {section}: {error}")

    def others(self):
        """The share of the machine that other work took: the noise behind the figures."""
        machine_s, own_s = (now - then for now, then in zip(busy_s(), self.busy))
        return max(0.0, machine_s - own_s) / ((time.time() - self.begin) * os.cpu_count())

    def markdown(self):
        command = f"bench/run {self.arguments}".strip()
        taken, minutes = time.strftime("%Y-%m-%d", time.gmtime(self.begin)), (time.time() - self.begin) / 60
        lines = [f"Taken {taken} in {minutes:.0f} min with `{command}`; {machine()}.", "",
                 "| measurement | Haina | peer | Haina ÷ peer | target | met |", "|---|---|---|---|---|---|"]
        spreads = []
        for row, cells in self.rows.items():
            ours = cells.get("haina")
            other, theirs = next(((who, values) for who, values in cells.items() if who != "haina"), (None, None))
            below = statistics.median(theirs) if theirs else 0
            ratio = statistics.median(ours) / below if ours and below else None
            target, met = judge(row, ours, ratio)
            name = f" ({other})" if other and other != "peer" else ""
            cells_text = [row, cell(ours), cell(theirs) + name, number(ratio) if ratio else "–", target, met]
            lines.append("| " + " | ".join(cells_text) + " |")
            spreads += [(spread(values), f"{row} ({who})") for who, values in cells.items() if len(values) > 1]
        widest = max(spreads, default=None)
        lines += ["", "Cells are median (minimum–maximum) of the runs. "
                  f"Load average during the run {min(self.loads):.1f}–{max(self.loads):.1f}; "
                  f"other work took {self.others():.0%} of the processors"
                  + (f"; middle spread (max − min) ÷ median {statistics.median(s for s, _ in spreads):.0%}, "
                     f"widest {widest[0]:.0%} in “{widest[1]}”" if widest else "") + "."]
        if self.errors:
            lines += ["", "Failed:", *[f"- {error}" for error in self.errors]]
        return "\n".join(lines) + "\n"


def judge(row, ours, ratio):
    if row not in TARGETS:
        return "", ""
    how, limit = TARGETS[row]
    text = {"ratio>=": f"≥ {limit} × nginx", "git<=": f"≤ {limit} × git", "<=": f"≤ {limit:,}", ">=": f"≥ {limit:,}"}[how]
    value = ratio if how in ("ratio>=", "git<=") else statistics.median(ours) if ours else None
    if value is None:
        return text, ""
    return text, "yes" if (value <= limit if how.endswith("<=") else value >= limit) else "**no**"


def spread(values):
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(values):
    if not values:
        return "–"
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"


def machine():
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()
                  if line.startswith("MemTotal"))
    return (f"{model}, {os.cpu_count()} processors, {memory / 1024 / 1024:.0f} GiB, "
            f"Linux {platform.release().split('-')[0]}; client {', '.join(CLIENT)}")
