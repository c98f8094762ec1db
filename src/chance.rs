//! Randomness that need not be secret: request ids and jitter. A simulation seeds it, so that a run can be repeated.

use std::cell::RefCell;

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::SmallRng};
use uuid::{Builder, Uuid};

thread_local! {
    static GENERATOR: RefCell<SmallRng> = RefCell::new(rand::make_rng());
}

/// From now on this thread's chance follows from the seed.
pub fn seed(seed: u64) {
    GENERATOR.with_borrow_mut(|generator| *generator = SmallRng::seed_from_u64(seed));
}

/// A random UUID (version 4).
pub fn uuid() -> Uuid {
    let mut bytes = [0; 16];
    GENERATOR.with_borrow_mut(|generator| generator.fill_bytes(&mut bytes));
    Builder::from_random_bytes(bytes).into_uuid()
}

/// A factor of 1, give or take a quarter.
pub fn jitter() -> f64 {
    GENERATOR.with_borrow_mut(|generator| generator.random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_another() {
        let with = |n| {
            seed(n);
            (uuid(), jitter())
        };

        assert_eq!(with(1), with(1));
        assert_ne!(with(1).0, with(2).0);
        assert_eq!(uuid().get_version_num(), 4);
    }
}
