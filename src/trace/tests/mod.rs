mod damage;
mod expanding;
pub(crate) mod random;
mod round_trip;
mod summing;
