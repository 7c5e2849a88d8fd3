//! Equality, order and hash: always those of the bytes, whoever holds them.
//!
//! Besides what `bytes` offers there are arrays and the types of `bytes` itself, so that a half-migrated program
//! can compare old buffers with new ones.

use super::{SlabBytes, SlabBytesMut};
use core::cmp::Ordering;
use core::hash::{Hash, Hasher};

/// The bytes that a comparison looks at.
fn bytes_of<T: AsRef<[u8]> + ?Sized>(value: &T) -> &[u8] {
    value.as_ref()
}

/// `$left` against `$right`, both holders of bytes; `$param` are the generic parameters of the two.
macro_rules! compare {
    ([$($param:tt)*] $left:ty, $right:ty) => {
        impl<$($param)*> PartialEq<$right> for $left {
            #[inline]
            fn eq(&self, other: &$right) -> bool {
                bytes_of(self) == bytes_of(other)
            }
        }

        impl<$($param)*> PartialOrd<$right> for $left {
            #[inline]
            fn partial_cmp(&self, other: &$right) -> Option<Ordering> {
                bytes_of(self).partial_cmp(bytes_of(other))
            }
        }
    };
}

/// `compare!` in both directions.
macro_rules! compare_both_ways {
    ([$($param:tt)*] $left:ty, $right:ty) => {
        compare!([$($param)*] $left, $right);
        compare!([$($param)*] $right, $left);
    };
}

/// All comparisons of one of our types but those between the two.
macro_rules! compare_all {
    ($ours:ty) => {
        impl Eq for $ours {}

        impl PartialEq for $ours {
            #[inline]
            fn eq(&self, other: &$ours) -> bool {
                bytes_of(self) == bytes_of(other)
            }
        }

        impl Ord for $ours {
            #[inline]
            fn cmp(&self, other: &$ours) -> Ordering {
                bytes_of(self).cmp(bytes_of(other))
            }
        }

        impl PartialOrd for $ours {
            #[inline]
            fn partial_cmp(&self, other: &$ours) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        /// Hashes as the slice of its bytes does, which `Borrow<[u8]>` demands.
        impl Hash for $ours {
            #[inline]
            fn hash<H: Hasher>(&self, state: &mut H) {
                bytes_of(self).hash(state);
            }
        }

        compare_both_ways!([] $ours, [u8]);
        compare_both_ways!([] $ours, str);
        compare_both_ways!([] $ours, Vec<u8>);
        compare_both_ways!([] $ours, String);
        compare_both_ways!([] $ours, bytes::Bytes);
        compare_both_ways!([] $ours, bytes::BytesMut);
        compare_both_ways!([const N: usize] $ours, [u8; N]);

        // Every reference on the right at once. On the left the orphan rule asks for one impl per type.
        impl<'a, T: ?Sized> PartialEq<&'a T> for $ours
        where
            $ours: PartialEq<T>,
        {
            #[inline]
            fn eq(&self, other: &&'a T) -> bool {
                *self == **other
            }
        }

        impl<'a, T: ?Sized> PartialOrd<&'a T> for $ours
        where
            $ours: PartialOrd<T>,
        {
            #[inline]
            fn partial_cmp(&self, other: &&'a T) -> Option<Ordering> {
                self.partial_cmp(&**other)
            }
        }

        compare!([] &[u8], $ours);
        compare!([] &str, $ours);
        compare!([const N: usize] &[u8; N], $ours);
    };
}

compare_all!(SlabBytes);
compare_all!(SlabBytesMut);
compare_both_ways!([] SlabBytes, SlabBytesMut);
