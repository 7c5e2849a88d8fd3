//! Slices that go on as `bytes::Bytes`.

use super::{SlabBytes, SlabBytesMut};
use bytes::Bytes;

impl From<SlabBytes> for Bytes {
    /// Up to the copybreak of the pool's [`RetainPolicy`](crate::RetainPolicy) (1 KiB by default) the bytes are copied,
    /// for handing over a reference costs an allocation too. Above, nothing is copied: the `Bytes` holds the slice, which
    /// stays one listed slice of its slab, of the kind [`Exported`](crate::SliceKind::Exported). A slice that is
    /// [`zero_on_drop`](SlabBytes::zero_on_drop) is always handed over, for a copy would not be overwritten.
    fn from(mut slice: SlabBytes) -> Bytes {
        if let Some(bytes) = slice.raw().as_static() {
            return Bytes::from_static(bytes);
        }
        if slice.raw().is_secret() || slice.raw().pins_slab() && slice.len() > slice.raw().policy().copybreak() {
            slice.raw_mut().mark_exported();
            return Bytes::from_owner(slice);
        }
        if slice.raw().pins_slab() { Bytes::copy_from_slice(&slice) } else { detached_to_bytes(slice) }
    }
}

/// A vector goes over as it is, and any other detached memory as one owner.
fn detached_to_bytes(slice: SlabBytes) -> Bytes {
    match slice.into_raw().try_into_vec() {
        Ok(vec) => Bytes::from(vec),
        Err(raw) => Bytes::from_owner(SlabBytes::from_raw(raw)),
    }
}

impl From<SlabBytesMut> for Bytes {
    /// As [`freeze`](SlabBytesMut::freeze) and then as for `SlabBytes`.
    fn from(buffer: SlabBytesMut) -> Bytes {
        buffer.freeze().into()
    }
}
