//! Reads what concerns a store in a bucket.

use url::Url;

use crate::config::{BucketConfig, Role, Roles, StoreConfig};

use super::Reader;

impl Reader {
    /// Where the store is: a folder or a bucket.
    pub(super) fn store(&mut self, data_dir: Option<std::path::PathBuf>) -> Option<StoreConfig> {
        let roles = self.roles();
        let endpoints = (self.endpoint("AWS_ENDPOINT_URL_S3"), self.endpoint("AWS_ENDPOINT_URL_STS"));
        let region = self.region();
        let Some(text) = self.text("STATUSINATOR_STORE") else {
            return Some(StoreConfig::Folder(data_dir?.join("store")));
        };
        if !text.starts_with("s3:") {
            return self.parse("STATUSINATOR_STORE", "file:PATH or s3://BUCKET", |text| {
                let path = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:"))?;
                (!path.is_empty()).then(|| StoreConfig::Folder(path.into()))
            });
        }
        let bucket =
            self.parse("STATUSINATOR_STORE", "s3://BUCKET, a bucket's name and nothing after it", bucket);
        if region.is_none() {
            self.required("AWS_REGION");
        }
        if self.text("SLACK_CLIENT_ID").is_some() && self.text("STATUSINATOR_VAULT_KEY").is_none() {
            self.fail("STATUSINATOR_VAULT_KEY", "is required with an s3: store and SLACK_CLIENT_ID");
        }
        Some(StoreConfig::Bucket(Box::new(BucketConfig {
            bucket: bucket?,
            region: region?,
            s3_endpoint: endpoints.0,
            sts_endpoint: endpoints.1,
            roles,
            variables: self.aws.clone(),
        })))
    }

    /// A bucket without roles.
    pub(super) fn plain_bucket(&mut self, bucket: &str) -> Option<BucketConfig> {
        let s3_endpoint = self.endpoint("AWS_ENDPOINT_URL_S3");
        let sts_endpoint = self.endpoint("AWS_ENDPOINT_URL_STS");
        self.required("AWS_REGION")?;
        let (region, variables) = (self.region()?, self.aws.clone());
        let (bucket, roles) = (bucket.to_owned(), Roles::default());
        Some(BucketConfig { bucket, region, s3_endpoint, sts_endpoint, roles, variables })
            .filter(|_| self.wrong.is_empty())
    }

    fn region(&mut self) -> Option<String> {
        self.parse("AWS_REGION", "a region's name, such as eu-central-1", |text| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (text.len() <= 32 && text.bytes().all(plain)).then(|| text.to_owned())
        })
    }

    fn endpoint(&mut self, name: &'static str) -> Option<Url> {
        self.parse(name, "an http or https address without a path", |text| {
            let url = Url::parse(text).ok()?;
            let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
            (matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain).then_some(url)
        })
    }

    fn roles(&mut self) -> Roles {
        Roles {
            read: self.role("STATUSINATOR_READ_ROLE_ARN"),
            write: self.role("STATUSINATOR_WRITE_ROLE_ARN"),
            export: self.role("STATUSINATOR_EXPORT_ROLE_ARN"),
        }
    }

    fn role(&mut self, setting: &'static str) -> Option<Role> {
        self.parse(setting, "a role's ARN, such as arn:aws:iam::123456789012:role/NAME", |text| {
            is_role(text).then(|| Role { arn: text.to_owned(), setting })
        })
    }
}

/// `arn:<partition>:iam::<twelve digits>:role/<path and name>`.
fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [arn, partition, iam, nowhere, account, role] = parts[..] else { return false };
    let names = role.strip_prefix("role/").unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    arn == "arn"
        && partition.starts_with("aws")
        && iam == "iam"
        && nowhere.is_empty()
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !names.is_empty()
        && names.bytes().all(plain)
}

/// A bucket's name as S3 allows it: 3 to 63 of `a-z 0-9 . -`, a letter or digit at either end.
fn bucket(text: &str) -> Option<String> {
    let name = text.strip_prefix("s3://")?;
    let name = name.strip_suffix('/').unwrap_or(name);
    let is_edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: &u8| is_edge(byte) || matches!(byte, b'.' | b'-');
    let bytes = name.as_bytes();
    let edges = bytes.first().is_some_and(is_edge) && bytes.last().is_some_and(is_edge);
    ((3..=63).contains(&bytes.len()) && edges && bytes.iter().all(is_inner)).then(|| name.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::config::{
        Config, StoreConfig,
        read::read,
        sources::{Sources, Wrong},
    };

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn with(pairs: &[(&str, &str)]) -> Result<Config, Vec<Wrong>> {
        let needed = [("SLACK_SIGNING_SECRET", "shhh"), ("SLACK_BOT_TOKEN", "xoxb-1")];
        let bucket = [("STATUSINATOR_STORE", "s3://statusinator-test"), ("AWS_REGION", "eu-central-1")];
        let all = needed.iter().chain(&bucket).chain(pairs);
        let environment = all.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        read(&Sources { environment, ..Sources::default() })
    }

    fn names(pairs: &[(&str, &str)]) -> Vec<String> {
        with(pairs).unwrap_err().into_iter().map(|wrong| wrong.name).collect()
    }

    #[test]
    fn a_bucket_has_its_region_endpoints_roles_and_credentials() {
        let config = with(&[
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000"),
            ("STATUSINATOR_READ_ROLE_ARN", "arn:aws:iam::123456789012:role/team/reader"),
            ("AWS_SECRET_ACCESS_KEY", "hidden"),
        ])
        .unwrap();

        let StoreConfig::Bucket(store) = config.store else { unreachable!("{:?}", config.store) };
        assert_eq!((store.bucket.as_str(), store.region.as_str()), ("statusinator-test", "eu-central-1"));
        assert_eq!(store.s3_endpoint.as_ref().unwrap().as_str(), "http://127.0.0.1:9000/");
        assert_eq!(store.roles.read.as_ref().unwrap().setting, "STATUSINATOR_READ_ROLE_ARN");
        assert_eq!(store.variables.get("AWS_SECRET_ACCESS_KEY"), Some("hidden"));
        assert!(!format!("{store:?}").contains("hidden"), "{store:?}");
    }

    #[test]
    fn what_a_bucket_needs_is_asked_for() {
        assert_eq!(names(&[("AWS_REGION", "")]), ["AWS_REGION"]);
        let client = [
            ("SLACK_CLIENT_ID", "1"),
            ("SLACK_CLIENT_SECRET", "2"),
            ("STATUSINATOR_PUBLIC_URL", "https://example.org"),
        ];
        assert_eq!(names(&client), ["STATUSINATOR_VAULT_KEY"]);
        assert!(with(&[&client[..], &[("STATUSINATOR_VAULT_KEY", KEY)]].concat()).is_ok());
    }

    #[test]
    fn wrong_names_are_refused() {
        for bucket in ["s3://", "s3:name", "s3://a", "s3://Upper", "s3://name/prefix", "s3://-name"] {
            assert_eq!(names(&[("STATUSINATOR_STORE", bucket)]), ["STATUSINATOR_STORE"], "{bucket}");
        }
        for arn in ["reader", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x"] {
            assert_eq!(
                names(&[("STATUSINATOR_WRITE_ROLE_ARN", arn)]),
                ["STATUSINATOR_WRITE_ROLE_ARN"],
                "{arn}"
            );
        }
        assert_eq!(names(&[("AWS_REGION", "eu central")]), ["AWS_REGION"]);
        for endpoint in ["s3.example.org", "https://example.org/path", "ftp://example.org"] {
            assert_eq!(names(&[("AWS_ENDPOINT_URL_STS", endpoint)]), ["AWS_ENDPOINT_URL_STS"], "{endpoint}");
        }
    }
}
