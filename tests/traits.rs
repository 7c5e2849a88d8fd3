//! Every inherent method and trait that `bytes` gives its buffers, on ours: that it is there, and, for the traits, that
//! it does the same. What the methods do is the business of `bytes_suite.rs`.

use bufslab::{SlabBytes, SlabBytesMut};
use bytes::{Bytes, BytesMut};
use std::borrow::{Borrow, BorrowMut};
use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

fn shared(bytes: &[u8]) -> SlabBytes {
    SlabBytes::copy_from_slice(bytes)
}

fn unique(bytes: &[u8]) -> SlabBytesMut {
    SlabBytesMut::from(bytes)
}

/// Compiles if each method of `bytes` is there with its signature.
#[test]
fn every_method_of_bytes_is_there() {
    type Whole = std::ops::RangeFull;
    type Spare<'a> = &'a mut [std::mem::MaybeUninit<u8>];

    static STATIC: SlabBytes = SlabBytes::from_static(b"known to the compiler");
    const EMPTY: SlabBytes = SlabBytes::new();
    const fn known_to_the_compiler(bytes: &SlabBytes) -> (usize, bool) {
        (bytes.len(), bytes.is_empty())
    }
    assert_eq!(known_to_the_compiler(&STATIC), (21, false));
    assert_eq!(known_to_the_compiler(&EMPTY), (0, true));

    let _: fn(Vec<u8>) -> SlabBytes = SlabBytes::from_owner::<Vec<u8>>;
    let _: fn(&[u8]) -> SlabBytes = SlabBytes::copy_from_slice;
    let _: fn(&SlabBytes) -> bool = SlabBytes::is_unique;
    let _: fn(&SlabBytes, Whole) -> SlabBytes = |b, range| b.slice(range);
    let _: fn(&SlabBytes, &[u8]) -> SlabBytes = SlabBytes::slice_ref;
    let _: fn(&mut SlabBytes, usize) -> SlabBytes = SlabBytes::split_off;
    let _: fn(&mut SlabBytes, usize) -> SlabBytes = SlabBytes::split_to;
    let _: fn(&mut SlabBytes, usize) = SlabBytes::truncate;
    let _: fn(&mut SlabBytes) = SlabBytes::clear;
    let _: fn(SlabBytes) -> Result<SlabBytesMut, SlabBytes> = SlabBytes::try_into_mut;

    let _: fn() -> SlabBytesMut = SlabBytesMut::new;
    let _: fn(usize) -> SlabBytesMut = SlabBytesMut::with_capacity;
    let _: fn(usize) -> SlabBytesMut = SlabBytesMut::zeroed;
    let _: fn(&SlabBytesMut) -> usize = SlabBytesMut::len;
    let _: fn(&SlabBytesMut) -> bool = SlabBytesMut::is_empty;
    let _: fn(&SlabBytesMut) -> usize = SlabBytesMut::capacity;
    let _: fn(SlabBytesMut) -> SlabBytes = SlabBytesMut::freeze;
    let _: fn(&mut SlabBytesMut, usize) -> SlabBytesMut = SlabBytesMut::split_off;
    let _: fn(&mut SlabBytesMut) -> SlabBytesMut = SlabBytesMut::split;
    let _: fn(&mut SlabBytesMut, usize) -> SlabBytesMut = SlabBytesMut::split_to;
    let _: fn(&mut SlabBytesMut, usize) = SlabBytesMut::truncate;
    let _: fn(&mut SlabBytesMut) = SlabBytesMut::clear;
    let _: fn(&mut SlabBytesMut, usize, u8) = SlabBytesMut::resize;
    let _: unsafe fn(&mut SlabBytesMut, usize) = SlabBytesMut::set_len;
    let _: fn(&mut SlabBytesMut, usize) = SlabBytesMut::reserve;
    let _: fn(&mut SlabBytesMut, usize) -> bool = SlabBytesMut::try_reclaim;
    let _: fn(&mut SlabBytesMut, &[u8]) = SlabBytesMut::extend_from_slice;
    let _: fn(&mut SlabBytesMut, Whole) = |m, range| m.extend_from_within(range);
    let _: fn(&mut SlabBytesMut, SlabBytesMut) = SlabBytesMut::unsplit;
    let _: fn(&mut SlabBytesMut, SlabBytesMut) -> Result<(), SlabBytesMut> = SlabBytesMut::try_unsplit;
    let _: for<'a> fn(&'a mut SlabBytesMut) -> Spare<'a> = SlabBytesMut::spare_capacity_mut;
}

#[test]
fn the_compiler_gives_our_buffers_what_it_gives_those_of_bytes() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<Bytes>();
    check::<BytesMut>();
    check::<SlabBytes>();
    check::<SlabBytesMut>();
}

/// Byte strings whose order, as bytes, is the order of this list.
const ASCENDING: [&str; 6] = ["", "a", "aa", "ab", "b", "ü"];

/// Holds `$left` and `$right` (expressions of the strings `l` and `r`) to what their bytes say, in both directions.
macro_rules! assert_compares {
    ($l:ident, $r:ident: $left:expr, $right:expr) => {
        for $l in ASCENDING {
            for $r in ASCENDING {
                let (left, right) = ($left, $right);
                let expected = $l.as_bytes().cmp($r.as_bytes());
                assert_eq!(left == right, expected.is_eq(), "{:?} == {:?}", $l, $r);
                assert_eq!(right == left, expected.is_eq(), "{:?} == {:?}", $r, $l);
                assert_eq!(left.partial_cmp(&right), Some(expected), "{:?} <=> {:?}", $l, $r);
                assert_eq!(right.partial_cmp(&left), Some(expected.reverse()), "{:?} <=> {:?}", $r, $l);
            }
        }
    };
}

#[test]
fn our_buffers_compare_with_everything_that_holds_bytes() {
    macro_rules! against_all {
        ($ours:ident) => {
            assert_compares!(l, r: $ours(l.as_bytes()), shared(r.as_bytes()));
            assert_compares!(l, r: $ours(l.as_bytes()), unique(r.as_bytes()));
            assert_compares!(l, r: $ours(l.as_bytes()), r);
            assert_compares!(l, r: $ours(l.as_bytes()), r.as_bytes());
            assert_compares!(l, r: $ours(l.as_bytes()), r.to_owned());
            assert_compares!(l, r: $ours(l.as_bytes()), r.as_bytes().to_vec());
            assert_compares!(l, r: $ours(l.as_bytes()), Bytes::copy_from_slice(r.as_bytes()));
            assert_compares!(l, r: $ours(l.as_bytes()), BytesMut::from(r));
        };
    }
    against_all!(shared);
    against_all!(unique);
}

#[test]
fn our_buffers_compare_with_unsized_bytes_and_arrays() {
    macro_rules! against_all {
        ($ours:ident) => {
            let ab = $ours(b"ab");
            assert!(ab == *"ab" && *"ab" == ab);
            assert!(ab == b"ab"[..] && b"ab"[..] == ab);
            assert!(ab == *b"ab" && *b"ab" == ab);
            assert!(ab == b"ab" && b"ab" == ab);
            assert!(ab != *b"abc" && b"abc" != ab);
            assert_eq!([ab < *"b", *"b" > ab], [true; 2]);
            assert_eq!([ab < b"b"[..], b"b"[..] > ab], [true; 2]);
            assert_eq!([ab < [b'b'], [b'b'] > ab], [true; 2]);
            assert_eq!([ab < &[b'b'], &[b'b'] > ab], [true; 2]);
            assert!(ab == &vec![b'a', b'b']);
            assert!(ab == &String::from("ab"));
            assert!(ab == &Bytes::from("ab"));
        };
    }
    against_all!(shared);
    against_all!(unique);
}

/// The forms that code written for `bytes` uses must find their types without a word.
#[test]
fn literals_need_no_type_annotation() {
    let (b, m) = (shared(b"\x01\x02"), unique(b"\x01\x02"));
    assert_eq!(b, [1, 2]);
    assert_eq!([1, 2], m);
    assert_eq!(b, &[1, 2]);
    assert_eq!(&[1, 2], m);
    assert_eq!(b, [1, 2][..]);
    assert_eq!(&[1, 2][..], m);
    assert_eq!(b, vec![1, 2]);
    assert_eq!([1, 2], b.as_ref());
    assert_eq!(&[1, 2], m.as_ref());
    assert_eq!(b.to_vec(), [1, 2]);
    assert_eq!(b"\x01\x02", &b[..]);
    assert_eq!(Vec::from(b), [1, 2][..]);
    assert_eq!(SlabBytes::from(&b"ab"[..]), "ab");
    assert_eq!((0..3).collect::<SlabBytes>(), [0, 1, 2]);
    assert_eq!((0..3).collect::<SlabBytesMut>(), [0, 1, 2]);
    assert!(std::iter::empty().collect::<SlabBytes>().is_empty());
}

#[test]
fn order_is_total_and_that_of_the_bytes() {
    fn sorted<T: Ord>(make: fn(&[u8]) -> T) -> Vec<T> {
        let mut list: Vec<T> = ASCENDING.iter().rev().map(|text| make(text.as_bytes())).collect();
        list.sort();
        list
    }
    assert_eq!(sorted(shared), ASCENDING);
    assert_eq!(sorted(unique), ASCENDING);
    assert_eq!(Ord::cmp(&shared(b"a"), &shared(b"b")), Ordering::Less);
}

#[test]
fn maps_are_searched_by_slice() {
    fn hash_of<T: Hash + ?Sized>(value: &T) -> u64 {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        hasher.finish()
    }
    assert_eq!(hash_of(&shared(b"key")), hash_of(&b"key"[..]));
    assert_eq!(hash_of(&unique(b"key")), hash_of(&b"key"[..]));
    assert_eq!(hash_of(&shared(b"key")), hash_of(&Bytes::from("key")));

    let hashed = HashMap::from([(shared(b"a"), 1), (shared(b"b"), 2)]);
    assert_eq!(hashed.get(&b"b"[..]), Some(&2));
    let ordered = BTreeMap::from([(unique(b"a"), 1), (unique(b"b"), 2)]);
    assert_eq!(ordered.get(&b"b"[..]), Some(&2));
}

#[test]
fn views_are_the_bytes() {
    let b = shared(b"bytes");
    assert_eq!(AsRef::<[u8]>::as_ref(&b), b"bytes");
    assert_eq!(Borrow::<[u8]>::borrow(&b), b"bytes");
    let mut m = unique(b"bytes");
    assert_eq!(AsRef::<[u8]>::as_ref(&m), b"bytes");
    assert_eq!(Borrow::<[u8]>::borrow(&m), b"bytes");
    AsMut::<[u8]>::as_mut(&mut m)[0] = b'B';
    BorrowMut::<[u8]>::borrow_mut(&mut m)[4] = b'S';
    assert_eq!(m, "ByteS");
}

#[test]
fn the_default_is_empty() {
    assert!(SlabBytes::default().is_empty());
    assert!(SlabBytesMut::default().is_empty());
}

#[test]
fn everything_that_owns_bytes_becomes_a_buffer() {
    for text in ["", "a", "a text that is longer than what may lie inside a handle"] {
        let bytes = text.as_bytes();
        assert_eq!(SlabBytes::from(text), text);
        assert_eq!(SlabBytes::from(bytes), text);
        assert_eq!(SlabBytes::from(text.to_owned()), text);
        assert_eq!(SlabBytes::from(bytes.to_vec()), text);
        assert_eq!(SlabBytes::from(bytes.to_vec().into_boxed_slice()), text);
        assert_eq!(SlabBytes::from(Bytes::from(text)), text);
        assert_eq!(SlabBytes::from(unique(bytes)), text);
        assert_eq!(SlabBytesMut::from(text), text);
        assert_eq!(SlabBytesMut::from(bytes), text);
        assert_eq!(SlabBytesMut::from(shared(bytes)), text);
        assert_eq!(SlabBytesMut::from(Bytes::from(text)), text);
        assert_eq!(Vec::from(shared(bytes)), bytes);
        assert_eq!(Vec::from(unique(bytes)), bytes);
    }
}

#[test]
fn static_bytes_and_owned_memory_are_taken_over_without_a_copy() {
    static TEXT: &str = "some text of the program";
    assert_eq!(SlabBytes::from(TEXT).as_ptr(), TEXT.as_ptr());
    let vec = vec![7_u8; 1000];
    let address = vec.as_ptr();
    let bytes = SlabBytes::from(vec);
    assert_eq!(bytes.as_ptr(), address);
    let foreign = Bytes::from(vec![7_u8; 1000]);
    let address = foreign.as_ptr();
    assert_eq!(SlabBytes::from(foreign).as_ptr(), address);
}

#[test]
fn a_mutable_buffer_never_shares_bytes_with_a_reader() {
    let reader = unique(b"shared").freeze();
    let mut writer = SlabBytesMut::from(reader.clone());
    writer[0] = b'S';
    assert_eq!(reader, "shared");
    assert_eq!(writer, "Shared");

    let foreign = Bytes::from(b"shared".to_vec());
    let mut writer = SlabBytesMut::from(foreign.clone());
    writer[0] = b'S';
    assert_eq!(foreign, "shared");
}

#[test]
fn text_forms_are_those_of_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    let theirs = Bytes::from(all.clone());
    let (b, m) = (shared(&all), unique(&all));
    assert_eq!(format!("{b:?}"), format!("{theirs:?}"));
    assert_eq!(format!("{m:?}"), format!("{theirs:?}"));
    assert_eq!(format!("{b:x}"), format!("{theirs:x}"));
    assert_eq!(format!("{m:x}"), format!("{theirs:x}"));
    assert_eq!(format!("{b:X}"), format!("{theirs:X}"));
    assert_eq!(format!("{m:X}"), format!("{theirs:X}"));
    assert_eq!(format!("{:?}", shared(b"GET /\r\n\"\\\0\x7f")), r#"b"GET /\r\n\"\\\0\x7f""#);
    assert_eq!(format!("{:#?}", SlabBytes::new()), "b\"\"");
}

#[test]
fn text_is_written_into_a_buffer() {
    use std::fmt::Write;
    let mut m = SlabBytesMut::new();
    m.write_str("status: ").unwrap();
    m.write_char('ü').unwrap();
    write!(m, "{}", 200).unwrap();
    assert_eq!(m, "status: ü200");
}

#[test]
fn bytes_are_written_into_a_buffer() {
    use std::io::Write;
    let mut m = SlabBytesMut::with_capacity(4);
    assert_eq!(m.write(b"longer than four").unwrap(), 16);
    m.write_all(b", ").unwrap();
    write!(m, "{}", 200).unwrap();
    m.flush().unwrap();
    assert_eq!(std::io::copy(&mut &b"!"[..], &mut m).unwrap(), 1);
    assert_eq!(m, "longer than four, 200!");
}

#[test]
fn iterators_give_every_byte_once() {
    let mut bytes = shared(b"abc").into_iter();
    assert_eq!(bytes.len(), 3);
    assert_eq!(bytes.next(), Some(b'a'));
    assert_eq!(bytes.into_inner(), "bc");
    assert_eq!(unique(b"abc").into_iter().collect::<Vec<u8>>(), b"abc");
    assert_eq!((&shared(b"abc")).into_iter().rev().collect::<Vec<_>>(), [b"c", b"b", b"a"].map(|b| &b[0]));
    let mut sum = 0;
    for byte in &unique(b"\x01\x02") {
        sum += byte;
    }
    assert_eq!(sum, 3);
}

#[test]
fn buffers_are_collected_and_extended() {
    let list = [1_u8, 2, 3];
    assert_eq!(list.into_iter().collect::<SlabBytes>(), list);
    assert_eq!(list.into_iter().collect::<SlabBytesMut>(), list);
    assert_eq!(list.iter().collect::<SlabBytesMut>(), list);

    let mut m = SlabBytesMut::new();
    m.extend(list);
    m.extend(&list);
    m.extend([Bytes::from("ab"), Bytes::new()]);
    m.extend([shared(b"cd"), SlabBytes::new()]);
    assert_eq!(m, b"\x01\x02\x03\x01\x02\x03abcd");
}

#[test]
fn extend_does_not_believe_the_size_hint() {
    struct Promises(usize, std::ops::Range<u8>);
    impl Iterator for Promises {
        type Item = u8;
        fn next(&mut self) -> Option<u8> {
            self.1.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.0, None)
        }
    }
    for promised in [0, 5, 300] {
        let mut m = unique(b"x");
        m.extend(Promises(promised, 0..200));
        assert_eq!(m.len(), 201);
        assert_eq!(m.iter().skip(1).copied().collect::<Vec<_>>(), (0..200).collect::<Vec<u8>>());
        assert_eq!(Promises(promised, 0..200).collect::<SlabBytes>().len(), 200);
    }
}

#[cfg(feature = "serde")]
mod serde {
    use super::*;
    use serde_test::{Token, assert_de_tokens, assert_de_tokens_error, assert_tokens};

    #[test]
    fn buffers_travel_as_bytes() {
        for text in ["", "a", "a text that is longer than what may lie inside a handle"] {
            assert_tokens(&shared(text.as_bytes()), &[Token::Bytes(text.as_bytes())]);
            assert_tokens(&unique(text.as_bytes()), &[Token::Bytes(text.as_bytes())]);
        }
    }

    #[test]
    fn every_form_of_bytes_is_read() {
        let sequence = [Token::Seq { len: Some(usize::MAX) }, Token::U8(b'a'), Token::U8(b'b'), Token::SeqEnd];
        for form in [&[Token::ByteBuf(b"ab")][..], &[Token::Str("ab")], &[Token::String("ab")], &sequence] {
            assert_de_tokens(&shared(b"ab"), form);
            assert_de_tokens(&unique(b"ab"), form);
        }
    }

    #[test]
    fn anything_else_is_an_error_that_names_the_expectation() {
        let error = "invalid type: boolean `true`, expected byte array";
        assert_de_tokens_error::<SlabBytes>(&[Token::Bool(true)], error);
        assert_de_tokens_error::<SlabBytesMut>(&[Token::Bool(true)], error);
    }

    #[test]
    fn json_goes_there_and_back() {
        let json = serde_json::to_string(&shared(b"\x00\xff")).unwrap();
        assert_eq!(json, "[0,255]");
        assert_eq!(serde_json::from_str::<SlabBytes>(&json).unwrap(), [0, 255]);
        assert_eq!(serde_json::from_str::<SlabBytesMut>("\"ab\"").unwrap(), "ab");
    }
}
