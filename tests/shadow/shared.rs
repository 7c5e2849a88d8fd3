//! What is done to read-only handles.

use crate::actions::TAGS;
use crate::twin::{Export, Handle, Hold, Twin, World};
use bufslab::{Buf, RetainPolicy, SlabBytes};
use bytes::Bytes;
use std::ops::Bound;
use std::sync::Arc;

impl World {
    pub(crate) fn act_on_shared(&mut self, mut twin: Twin, b: u32, n: usize, crowded: bool) {
        let Handle::Shared(ref mut s) = twin.handle else { unreachable!() };
        let len = s.len();
        match b % 20 {
            0..2 if !crowded => {
                let copy = s.clone();
                return self.put_view(twin, copy, 0, len);
            }
            2..5 if !crowded => {
                let (start, end) = (n % (len + 1), n / 64 % (len + 1));
                let (start, end) = (start.min(end), start.max(end));
                let part = any_form(s, start, end, n / 4096);
                return self.put_view(twin, part, start, end);
            }
            5 if !crowded => {
                let start = n % (len + 1);
                let end = start + n / 64 % (len - start + 1);
                let part = s.slice_ref(&s[start..end]);
                return self.put_view(twin, part, start, end);
            }
            6 => {
                let at = n % (len + 1);
                let head = s.split_to(at);
                let bytes = twin.bytes.drain(..at).collect();
                let head = twin.sibling(Handle::Shared(head), bytes);
                self.put_if_any(head);
            }
            7 => {
                let at = n % (len + 1);
                let tail = s.split_off(at);
                let bytes = twin.bytes.split_off(at);
                let tail = twin.sibling(Handle::Shared(tail), bytes);
                self.put_if_any(tail);
            }
            8 => {
                let n = n % (len + 2);
                s.truncate(n);
                twin.bytes.truncate(n);
            }
            9 if n % 4 == 0 => {
                s.clear();
                twin.bytes.clear();
            }
            9 | 10 => {
                let n = n % (len + 1);
                s.advance(n);
                twin.bytes.drain(..n);
            }
            11 | 12 => return self.try_into_mut(twin),
            13 => {
                self.check_unique(&twin);
            }
            14 => return self.compact(twin),
            15 | 16 => return self.retain(twin, n),
            17 => {
                let tag = TAGS[n % TAGS.len()];
                *s = std::mem::take(s).tag(tag);
                twin.tag = Some(tag);
            }
            18 => return self.export(twin),
            _ if n % 3 == 0 => {
                let Handle::Shared(s) = twin.take_handle() else { unreachable!() };
                assert_eq!(Vec::from(s), twin.bytes);
                return;
            }
            _ => {
                let half = &twin.bytes[..len / 2];
                assert!(s.starts_with(half) && *s == twin.bytes[..]);
            }
        }
        self.put_if_any(twin);
    }

    /// Puts a handle back that holds nothing if it has no bytes.
    fn put_if_any(&mut self, mut twin: Twin) {
        if twin.bytes.is_empty() {
            twin.hold = Hold::Nothing;
        }
        self.put(twin);
    }

    /// Puts `twin` back, and beside it a handle on a part of the same bytes.
    fn put_view(&mut self, mut twin: Twin, part: SlabBytes, start: usize, end: usize) {
        if start < end {
            twin.ever_shared = true;
        }
        let view = twin.sibling(Handle::Shared(part), twin.bytes[start..end].to_vec());
        self.put_if_any(view);
        self.put_if_any(twin);
    }

    /// Whether the handle says that it is unique; it may not if it is not, and must if it never was shared.
    fn check_unique(&self, twin: &Twin) -> bool {
        let Handle::Shared(s) = &twin.handle else { unreachable!() };
        let unique = s.is_unique();
        assert!(!unique || !self.is_overlapped(twin), "unique, but another handle sees the same bytes");
        let surely = matches!(twin.hold, Hold::Slab(_)) && twin.tracked && !twin.ever_shared;
        assert!(unique || !surely, "never shared, but not unique");
        assert!(!unique || !matches!(twin.hold, Hold::Export(_)), "an exported slice is never unique");
        unique
    }

    fn try_into_mut(&mut self, mut twin: Twin) {
        let unique = self.check_unique(&twin);
        let Handle::Shared(s) = twin.take_handle() else { unreachable!() };
        match s.try_into_mut() {
            Ok(m) => {
                assert!(unique, "is_unique said otherwise");
                twin.start = Some(m.as_ptr().addr());
                twin.handle = Handle::Mut(m);
                twin.ever_shared = false;
                self.put(twin);
            }
            Err(s) => {
                assert!(!unique, "is_unique said otherwise");
                twin.handle = Handle::Shared(s);
                self.put_if_any(twin);
            }
        }
    }

    fn compact(&mut self, mut twin: Twin) {
        let Handle::Shared(s) = twin.take_handle() else { unreachable!() };
        let (before, was_compact) = (s.as_ptr(), s.is_compact());
        let s = s.compact();
        assert!(s.is_compact() && s.retained_size() <= s.len());
        assert_eq!(was_compact, s.as_ptr() == before, "a copy is made unless it is one");
        assert!(s.is_empty() || self.source.slab_of(s.as_ptr().addr()).is_none(), "the copy is in a slab");
        self.put(Twin { handle: Handle::Shared(s), hold: Hold::Nothing, ..twin });
    }

    fn retain(&mut self, mut twin: Twin, n: usize) {
        let Handle::Shared(s) = twin.take_handle() else { unreachable!() };
        let before = s.as_ptr();
        // The pool's, also when that is gone.
        let policy = if matches!(twin.hold, Hold::Slab(_)) { self.config.policy } else { RetainPolicy::default() };
        let copies = !s.is_compact() && policy.decide(s.len(), s.retained_size()).is_copy();
        let s = if n % 2 == 0 {
            s.retain()
        } else {
            let tag = TAGS[n / 2 % TAGS.len()];
            twin.tag = Some(tag);
            s.retain_as(tag)
        };
        assert_eq!(copies, s.as_ptr() != before, "{} bytes by {policy:?}", s.len());
        let hold = if copies { Hold::Nothing } else { twin.hold };
        self.put_if_any(Twin { handle: Handle::Shared(s), hold, ..twin });
    }

    // ---- Into `Bytes` and back.

    fn export(&mut self, mut twin: Twin) {
        let Handle::Shared(s) = twin.take_handle() else { unreachable!() };
        let range = s.as_ptr().addr()..s.as_ptr().addr() + s.len();
        let policy = self.config.policy;
        let bytes = Bytes::from(s);
        if let Hold::Slab(slab) = twin.hold {
            let copied = bytes.as_ptr().addr() != range.start;
            assert_eq!(copied, range.len() <= policy.copybreak(), "{} bytes by {policy:?}", range.len());
            twin.hold = if copied {
                Hold::Nothing
            } else {
                let export = Arc::new(Export { slab, range, tag: twin.tag, tracked: twin.tracked });
                self.exports.retain(|export| export.strong_count() > 0);
                self.exports.push(Arc::downgrade(&export));
                Hold::Export(export)
            };
        }
        twin.handle = Handle::Foreign(bytes);
        self.put_foreign(twin);
    }

    pub(crate) fn act_on_foreign(&mut self, mut twin: Twin, b: u32, n: usize) {
        let Handle::Foreign(ref bytes) = twin.handle else { unreachable!() };
        let len = bytes.len();
        match b % 3 {
            0 => {
                let (start, end) = (n % (len + 1), n / 64 % (len + 1));
                let (start, end) = (start.min(end), start.max(end));
                let part = bytes.slice(start..end);
                let part = twin.sibling(Handle::Foreign(part), twin.bytes[start..end].to_vec());
                self.put_foreign(part);
                self.put_foreign(twin);
            }
            1 => {
                let Handle::Foreign(bytes) = twin.take_handle() else { unreachable!() };
                let before = bytes.as_ptr();
                let back = SlabBytes::from(bytes);
                assert!(twin.bytes.is_empty() || back.as_ptr() == before, "it was copied");
                twin.handle = Handle::Shared(back);
                self.put_if_any(twin);
            }
            _ => self.put_foreign(twin),
        }
    }

    /// What a `Bytes` without bytes keeps alive is the business of `bytes`: such a one is dropped.
    fn put_foreign(&mut self, twin: Twin) {
        if !twin.bytes.is_empty() {
            self.put(twin);
        }
    }
}

/// `start..end` of `s`, written in one of the ways a range can be.
fn any_form(s: &SlabBytes, start: usize, end: usize, form: usize) -> SlabBytes {
    use Bound::{Excluded, Included, Unbounded};
    let len = s.len();
    match form % 8 {
        0 if (start, end) == (0, len) => s.slice(..),
        1 if start == 0 => s.slice(..end),
        2 if end == len => s.slice(start..),
        3 if end > start => s.slice(start..=end - 1),
        4 if start == 0 && end > 0 => s.slice(..=end - 1),
        5 if start > 0 => s.slice((Excluded(start - 1), Excluded(end))),
        6 if start > 0 && end == len => s.slice((Excluded(start - 1), Unbounded)),
        7 if start > 0 && end > 0 && start < end => s.slice((Excluded(start - 1), Included(end - 1))),
        _ => s.slice(start..end),
    }
}
