//! Random numbers, made beforehand: the same for all, and free where they are used.

/// How many there are before they come again: more than a branch predictor learns, and few enough to stay in the first cache.
const COUNT: usize = 4096;

/// `xorshift64*`, from a fixed seed.
static TABLE: [u16; COUNT] = {
    let mut table = [0; COUNT];
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut at = 0;
    while at < COUNT {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        table[at] = (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 48) as u16;
        at += 1;
    }
    table
};

/// Where in the table somebody is.
#[derive(Default)]
pub(crate) struct Random(usize);

impl Random {
    /// The next number, of 16 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> usize {
        self.0 = (self.0 + 1) % COUNT;
        usize::from(TABLE[self.0])
    }

    /// A range inside of 64 bytes: from 8 to 39 bytes, where most headers' values are.
    #[inline]
    pub(crate) fn part(&mut self) -> std::ops::Range<usize> {
        let number = self.next();
        let start = number % 16;
        start..start + 8 + (number >> 8) % 32
    }
}
