//! Numbers of variable length: little-endian base 128 (LEB128), as DWARF and Protocol Buffers have them; and CRC-32.

/// Seven bits a byte, the lowest first; the high bit says that more follow.
pub(super) fn put(bytes: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

/// Small numbers of either sign as small numbers: 0, -1, 1, -2, 2 …
pub(super) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

pub(super) fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Why there was no number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoNumber {
    Ends,
    TooLong,
}

/// Takes a number off the front of `bytes`. Only the shortest form of it is one.
pub(super) fn take(bytes: &mut &[u8]) -> Result<u64, NoNumber> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(NoNumber::Ends)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7F);
        if (shift == 63 && bits > 1) || (byte == 0 && shift > 0) {
            return Err(NoNumber::TooLong);
        }
        n |= bits << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    Err(NoNumber::TooLong)
}

/// CRC-32 as gzip, PNG and Ethernet have it (IEEE 802.3, polynomial 0x04C11DB7 reflected).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc = (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)];
    }
    !crc
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut crc, mut bit) = (i as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0xEDB8_8320 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for n in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put(&mut bytes, n);
            let mut rest = &bytes[..];
            assert_eq!((take(&mut rest), rest), (Ok(n), &[][..]));
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), Err(NoNumber::Ends));
        }
        for n in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(n)), n);
        }
        assert_eq!((zigzag(-1), zigzag(1), zigzag(-2)), (1, 2, 3));
    }

    #[test]
    fn only_the_shortest_form_is_a_number() {
        for bytes in [&[0x80, 0x00][..], &[0xFF; 11], &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02]] {
            assert_eq!(take(&mut &bytes[..]), Err(NoNumber::TooLong), "{bytes:?}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_the_catalogue() {
        // The check value of CRC-32/ISO-HDLC: that of the nine digits.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
