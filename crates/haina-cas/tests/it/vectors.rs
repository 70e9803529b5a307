//! HF's client is the oracle: our chunker, hashes and parsers agree with what it sent.

use bytes::Bytes;
use haina_cas::chunk::Chunker;
use haina_cas::frame::{Decoder, HEADER_BYTES, Header, Scheme};
use haina_cas::hash::{chunk_hash, file_hash};
use haina_cas::shard::{Shard, Validator};

use crate::data::{sha256, vectors};

#[test]
fn every_upload_is_accepted_and_its_content_is_what_was_uploaded() {
    let mut schemes = [0; 3];
    for v in vectors() {
        let index = v.index();
        let shard = Shard::parse(v.shard.clone()).unwrap();
        let lookup = |h: &_| index.as_ref().filter(|(name, _)| name == h).map(|(_, i)| i.clone());
        let mut files = Validator::default().shard(&shard, &lookup).unwrap();
        files.sort_by_key(|f| f.size);
        assert_eq!(files.len(), v.files.len(), "{}", v.name);

        let mut chunks = Vec::new();
        let (mut decoder, mut rest) = (Decoder::default(), v.xorb.as_ref().map_or(&[][..], |(_, b)| &b[..]));
        while let Some((head, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
            let header = Header::parse(head).unwrap();
            let (payload, after) = after.split_at(header.payload_len as usize);
            schemes[header.scheme as usize] += 1;
            chunks.push(decoder.decode(&header, payload).unwrap().to_vec());
            rest = after;
        }
        for (file, (id, size, sha)) in files.iter().zip(&v.files) {
            assert_eq!((file.hash, file.size), (*id, *size), "{}", v.name);
            let claim = (v.name != "b8192").then_some(if *size == 0 { Default::default() } else { *sha });
            assert_eq!(file.sha256_claim, claim, "{}", v.name);
            let content: Vec<u8> = file
                .terms
                .iter()
                .flat_map(|t| chunks[t.chunks.start as usize..t.chunks.end as usize].concat())
                .collect();
            assert_eq!(sha256(&content), *sha, "{}", v.name);

            // Our chunker cuts where the client cut, and our hashes give its id.
            let mut ends = Chunker::default().push(&content);
            if ends.last() != Some(&content.len()) && !content.is_empty() {
                ends.push(content.len());
            }
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let ours: Vec<_> = starts.zip(&ends).map(|(a, b)| &content[a..*b]).collect();
            let theirs = file.terms.iter().flat_map(|t| t.chunks);
            assert_eq!(ours, theirs.map(|i| &chunks[i as usize][..]).collect::<Vec<_>>(), "{}", v.name);
            assert_eq!(file_hash(ours.iter().map(|c| (chunk_hash(c), c.len() as u64))), *id, "{}", v.name);
        }
    }
    assert!(schemes.iter().all(|n| *n > 2), "all three schemes occur: {schemes:?} {:?}", Scheme::Stored);
}

#[test]
fn shards_are_written_as_the_client_writes_them() {
    use haina_cas::shard::{ShardWriter, TermEntry};
    for v in vectors() {
        let shard = Shard::parse(v.shard.clone()).unwrap();
        let mut writer = ShardWriter::default();
        for f in &shard.files {
            let terms: Vec<_> = f
                .terms()
                .map(|t| {
                    let (xorb, index) = v.index().unwrap();
                    let entry = TermEntry::new(xorb, &index, t.start..t.end);
                    assert_eq!(Some(entry.range_hash), t.range_hash);
                    entry
                })
                .collect();
            writer.file(f.hash, &terms, f.sha256);
        }
        for x in &shard.xorbs {
            writer.xorb(x.hash, &v.index().unwrap().1);
        }
        let ours = writer.finish();
        // The client flags the first chunks of files, which the writer does not know of.
        let flagged = |bytes: &Bytes| -> Vec<_> {
            Shard::parse(bytes.clone())
                .unwrap()
                .xorbs
                .iter()
                .flat_map(|x| x.chunks().map(|c| c.eligible).collect::<Vec<_>>())
                .collect()
        };
        if flagged(&v.shard) == flagged(&ours.clone().into()) {
            assert!(ours == v.shard, "{}", v.name);
        }
        assert_eq!(ours.len(), v.shard.len(), "{}", v.name);
    }
}
