//! A short fuzz run that needs no tools: seeded mutations of the vectors through every parser. None may panic, and
//! what is accepted must hold together. The same properties as `fuzz/`, with the same functions.

#[path = "../../../../fuzz/src/properties.rs"]
mod properties;

use std::time::{Duration, Instant};

use crate::data::{Dice, vectors};

fn mutate(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = seeds[dice.below(seeds.len())].clone();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(data.len() + 1);
        match dice.below(7) {
            0 if at < data.len() => data[at] ^= 1 << dice.below(8),
            1 if at < data.len() => data[at] = dice.next() as u8,
            2 => data.truncate(at),
            3 => data.insert(at, dice.next() as u8),
            4 if data.len() > 4 => {
                // A word of interest where numbers stand.
                let at = dice.below(data.len() - 4);
                let word = [0, 1, 8, 0x7fff_ffff, u32::MAX, 1 << 31, 131_072, 131_073][dice.below(8)];
                data[at..at + 4].copy_from_slice(&word.to_le_bytes());
            }
            5 if at < data.len() => {
                let from = dice.below(data.len());
                let len = dice.below(200).min(data.len() - from).min(data.len() - at);
                data.copy_within(from..from + len, at);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[from..other.len().min(from + 5000)]);
            }
        }
    }
    data
}

fn run(name: &str, cases: usize, seeds: Vec<Vec<u8>>, property: fn(&[u8])) {
    assert!(!seeds.is_empty());
    seeds.iter().for_each(|s| property(s));
    let started = Instant::now();
    let mut dice = Dice(0x5eed);
    let mut done = 0;
    // Bounded by time as well, for slow machines; a fast one does all cases.
    while done < cases && started.elapsed() < Duration::from_secs(8) {
        property(&mutate(&mut dice, &seeds));
        done += 1;
    }
    println!("{name}: {done} cases in {:?}", started.elapsed());
    assert!(done > cases / 20, "{name}: only {done} of {cases} cases");
}

#[test]
fn frames() {
    let (mut seeds, mut dice) = (Vec::new(), Dice(1));
    for v in vectors() {
        let Some(((_, body), (_, index))) = v.xorb.clone().zip(v.index()) else { continue };
        for i in 0..index.chunk_count() {
            let range = index.frame_range(i..i + 1);
            if range.len() < 25_000 {
                seeds.push(body[range.start as usize..range.end as usize].to_vec());
            }
        }
    }
    seeds.push(properties::linked_frame(&dice.text(3000)));
    run("frames", 20_000, seeds, properties::frames);
}

#[test]
fn xorb() {
    let seeds =
        vectors().into_iter().filter_map(|v| v.xorb).map(|(_, b)| b.to_vec()).filter(|b| b.len() < 20_000).collect();
    run("xorb", 10_000, seeds, properties::xorb);
}

#[test]
fn shard() {
    let seeds = vectors().into_iter().map(|v| v.shard.to_vec()).chain([properties::dedup_answer()]).collect();
    run("shard", 30_000, seeds, properties::shard);
}

#[test]
fn tokens() {
    run("tokens", 20_000, properties::signed_texts(), properties::tokens);
}

#[test]
fn blobs() {
    let mut seeds = properties::blobs();
    seeds.extend(vectors().iter().filter_map(|v| v.index()).map(|(_, i)| i.as_blob().to_vec()));
    run("blobs", 20_000, seeds, properties::blobs_parse);
}
