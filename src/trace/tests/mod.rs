mod damage;
mod random;
mod round_trip;
