//! Reads a request's body, as far as is allowed.

use actix_web::{
    dev::Payload,
    error::PayloadError,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;

use super::error::ApiError;

/// Reads the body to its end, or to the limit. `declared` is its length as the request has it.
///
/// # Errors
/// [`ApiError::TooLarge`] over `at_most` bytes, [`ApiError::CutOff`] when it does not arrive whole.
pub async fn read(mut payload: Payload, declared: Option<usize>, at_most: usize) -> Result<Bytes, ApiError> {
    if declared.is_some_and(|length| length > at_most) {
        return Err(ApiError::TooLarge);
    }
    let mut body = BytesMut::with_capacity(declared.unwrap_or(4096));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => ApiError::TooLarge,
            _ => ApiError::CutOff,
        })?;
        if body.len() + chunk.len() > at_most {
            return Err(ApiError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
