//! Buffers that are used again: touching fresh memory costs more than everything else that a read does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that a pool keeps at most.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Smaller buffers are not worth a lock.
const POOLED_BYTES_MIN: usize = 32 << 10;

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A pool of buffers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    free: Arc<Mutex<Free>>,
}

fn lock(free: &Mutex<Free>) -> MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A buffer of `len` bytes with any content.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let mut found = None;
        if len >= POOLED_BYTES_MIN {
            let mut free = lock(&self.free);
            let fits = |b: &Vec<u8>| b.len() >= len && b.len() / 4 <= len;
            if let Some(i) = free.buffers.iter().rposition(fits) {
                let buffer = free.buffers.swap_remove(i);
                free.bytes -= buffer.len();
                found = Some(buffer);
            }
        }
        // Whole steps of 256 KiB, so that buffers for slightly different ranges fit each other.
        let full = if len >= POOLED_BYTES_MIN { len.next_multiple_of(256 << 10) } else { len };
        Buffer { bytes: found.unwrap_or_else(|| vec![0; full]), len, pool: self.clone() }
    }
}

/// A buffer that goes back to its pool when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    pool: Pool,
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() >= POOLED_BYTES_MIN {
            let mut free = lock(&self.pool.free);
            if free.bytes + bytes.len() <= KEPT_BYTES_MAX {
                free.bytes += bytes.len();
                free.buffers.push(bytes);
            }
        }
    }
}
