//! Where pictures are made: one at a time, since one may take hundreds of megabytes, and off the threads that answer.

use std::sync::Arc;

use actix_web::web::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{clock::Clock, domain::UserId, pictures, storage::Key};

use super::OnboardError;

/// So many uploads may wait for the one that is under way.
const WAITING: usize = 16;

/// Lets in one upload to be worked on and some to wait.
#[derive(Debug, Clone)]
pub struct Darkroom {
    places: Arc<Semaphore>,
    lamp: Arc<Semaphore>,
}

impl Default for Darkroom {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(WAITING + 1)), lamp: Arc::new(Semaphore::new(1)) }
    }
}

/// A place in the darkroom; an upload is read only by who has one.
#[derive(Debug)]
pub struct Place {
    lamp: Arc<Semaphore>,
    _held: OwnedSemaphorePermit,
}

impl Darkroom {
    /// Takes a place.
    ///
    /// # Errors
    /// [`OnboardError::Busy`] when all are taken.
    pub fn enter(&self) -> Result<Place, OnboardError> {
        let held = self.places.clone().try_acquire_owned().map_err(|_| OnboardError::Busy)?;
        Ok(Place { lamp: self.lamp.clone(), _held: held })
    }
}

impl Place {
    /// Makes a profile picture of an upload, when it is its turn; answers its name and the file.
    ///
    /// # Errors
    /// [`OnboardError::Problems`] when it is no picture that can be taken.
    pub async fn develop(
        self,
        upload: Bytes,
        user: &UserId,
        clock: &Clock,
    ) -> Result<(Key, Bytes), OnboardError> {
        let turn = self.lamp.acquire_owned().await.map_err(|_| OnboardError::Busy)?;
        let made = clock.offload(move || {
            // Held until it is done, even if nobody waits for it any more.
            let _turn = turn;
            (pictures::id(&upload), pictures::prepare(&upload))
        });
        let (id, picture) = made.await.ok_or_else(|| OnboardError::problem("it cannot be decoded"))?;
        Ok((Key::picture(user, id), picture.map_err(OnboardError::problem)?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[test]
    fn sixteen_wait_beside_the_one_that_is_under_way() {
        let darkroom = Darkroom::default();
        let mut places: Vec<Place> = (0..17).map(|_| darkroom.enter().unwrap()).collect();

        assert!(matches!(darkroom.enter(), Err(OnboardError::Busy)));
        places.pop();
        assert!(darkroom.enter().is_ok());
    }

    #[actix::test]
    async fn whoever_has_a_place_has_his_turn_and_the_same_bytes_have_the_same_name() {
        let (darkroom, user) = (Darkroom::default(), "U1".parse().unwrap());
        let upload = crate::demo::pictures::square(9);
        let developing =
            (0..5).map(|_| darkroom.enter().unwrap().develop(upload.clone(), &user, &Clock::System));

        let made: Vec<_> = join_all(developing).await.into_iter().map(Result::unwrap).collect();

        assert!(made.iter().all(|(key, file)| *key == made[0].0 && *file == made[0].1));
        assert_eq!(made[0].0, Key::picture(&user, pictures::id(&upload)));
        let broken = darkroom.enter().unwrap().develop(Bytes::from_static(b"x"), &user, &Clock::System).await;
        assert!(matches!(broken, Err(OnboardError::Problems(_))));
    }
}
