//! A short fuzz run that needs no tools: seeded mutations of small examples through every parser of git's formats. None
//! may panic, and what is accepted must hold together. The same properties as `fuzz/`, with the same functions.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says how much it did, and stops when it cannot go on"
)]

#[path = "../../../fuzz/src/git.rs"]
mod git;

use std::time::{Duration, Instant};

/// Not random, but no two alike.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[dice.below(seeds.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(data.len() + 1);
        match dice.below(6) {
            0 if at < data.len() => data[at] ^= 1 << dice.below(8),
            1 if at < data.len() => data[at] = [0, 1, 0x7f, 0x80, 0xff, b' ', b'\n', dice.next() as u8][dice.below(8)],
            2 => data.truncate(at),
            3 => data.insert(at, dice.next() as u8),
            4 if at < data.len() => {
                let from = dice.below(data.len());
                let len = dice.below(60).min(data.len() - from).min(data.len() - at);
                data.copy_within(from..from + len, at);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }
    data
}

fn run(name: &str, cases: usize, seeds: &[Vec<u8>], property: fn(&[u8])) {
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|s| property(s));
    let started = Instant::now();
    let mut dice = Dice(0x5eed);
    let mut done = 0;
    // Bounded by time as well, for slow machines; a fast one does all cases.
    while done < cases && started.elapsed() < Duration::from_secs(8) {
        property(&mutate(&mut dice, seeds));
        done += 1;
    }
    println!("{name}: {done} cases in {:?}", started.elapsed());
    assert!(done > cases / 20, "{name}: only {done} of {cases} cases");
}

#[test]
fn pkt() {
    run("pkt", 30_000, &git::some_packets(), git::pkt);
}

#[test]
fn pack() {
    run("pack", 10_000, &git::some_packs(), git::pack);
}

#[test]
fn entries() {
    run("entries", 10_000, &git::some_entries(), git::entries);
}

#[test]
fn delta() {
    run("delta", 50_000, &git::some_deltas(), git::delta);
}

#[test]
fn objects() {
    run("objects", 20_000, &git::some_objects(), git::objects);
}
