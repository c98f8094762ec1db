//! What the pages need beside their text: a style, a script, a picture, all our own.
//!
//! They are named with a digest of themselves, so that browsers keep them and never show an old one.

use std::sync::LazyLock;

use actix_web::{HttpResponse, ResponseError as _, web::Path};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::error::ApiError;

/// The style that all pages share.
pub const BASE_STYLE: &str = include_str!("assets/base.css");

/// A file that the pages need.
pub struct Asset {
    /// Where it is served.
    pub path: String,
    content_type: &'static str,
    content: String,
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: String) -> Self {
        let digest = URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..9]);
        Self { path: format!("/assets/{name}-{digest}.{extension}"), content_type, content }
    }
}

/// The style of the operator's page.
pub static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let content = [BASE_STYLE, include_str!("assets/operator.css")].concat();
    Asset::new("operator", "css", "text/css; charset=utf-8", content)
});

/// The script of the operator's page.
pub static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("operator", "js", "text/javascript; charset=utf-8", include_str!("assets/operator.js").into())
});

/// The mark.
pub static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg").into()));

/// `GET /assets/{file}`.
pub async fn asset(file: Path<String>) -> HttpResponse {
    let path = format!("/assets/{file}");
    let all = [&STYLE, &SCRIPT, &ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.path == path) else {
        return ApiError::NotFound.error_response();
    };
    HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header(("Cache-Control", "public, max-age=31536000, immutable"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(asset.content.as_str())
}
