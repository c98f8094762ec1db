//! `metrics report` of the real binary, from files and from a bucket.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
#[path = "support/s3_server.rs"]
mod s3_server;

use std::{fs, path::Path, process::Command};

use s3_server::{BUCKET, KEY, S3Server};
use statusinator::{
    clock::Clock,
    storage::{Key, aws},
};

const ROWS: &str = "metric_name,timestamp,value,units\nslack_api_latency,1700000000,90,ms\nslack_api_latency,1700000009,110,ms\n";

/// What `metrics report` says on stdout and stderr, and its exit status.
fn report(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> (String, i32) {
    let mut binary = Command::new(env!("CARGO_BIN_EXE_statusinator"));
    binary.args(["metrics", "report"]).args(arguments).current_dir(folder).env_clear();
    let output = binary.envs(environment.iter().copied()).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code().unwrap())
}

#[test]
fn files_become_percentiles_and_a_plot() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.csv"), ROWS).unwrap();
    fs::write(folder.path().join("b.csv"), format!("{ROWS}broken\n")).unwrap();

    let (told, status) = report(folder.path(), &["a.csv", "b.csv"], &[]);

    assert_eq!(status, 0, "{told}");
    let line = told.lines().find(|line| line.starts_with("slack_api_latency")).unwrap();
    assert_eq!(
        line.split_whitespace().skip(2).collect::<Vec<_>>(),
        ["4", "90", "90", "110", "110", "110", "110"]
    );
    assert!(
        told.contains("from 2 files")
            && told.contains("rows that are no samples: 1; the first is b.csv, line 4"),
        "{told}"
    );
    let svg = fs::read_to_string(folder.path().join("metrics.svg")).unwrap();
    assert!(svg.starts_with("<svg ") && svg.contains("slack_api_latency, ms"), "{svg}");
}

/// Arguments, environment, exit status, and what is told.
type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], i32, &'static str);

#[test]
fn what_cannot_be_reported_on_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("empty.csv"), "metric_name,timestamp,value,units\n").unwrap();
    let cases: [Case; 5] = [
        (&["missing.csv"], &[], 2, "missing.csv cannot be read"),
        (&["empty.csv"], &[], 1, "no samples there"),
        (&["s3://b/exports"], &[], 2, "AWS_REGION: is required"),
        (
            &["s3://b/exports"],
            &[("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL_S3", "ftp://x")],
            2,
            "AWS_ENDPOINT_URL_S3",
        ),
        (&[], &[], 2, "required arguments"),
    ];
    for (arguments, environment, status, why) in cases {
        let (told, ended) = report(folder.path(), arguments, environment);
        assert!(ended == status && told.contains(why), "{arguments:?}: {ended}\n{told}");
    }
}

#[actix::test]
async fn exports_in_a_bucket_are_read_with_the_callers_own_credentials() {
    let server = S3Server::start();
    let stores = aws::open(&server.config(), "host", Clock::System).unwrap();
    let key = Key::parse("exports/metrics/2026/11/25/210000-host-1.csv").unwrap();
    stores.write.put(&key, ROWS.into(), None).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (path, endpoint) = (folder.path().to_owned(), format!("http://{}", server.address));

    let run = move || {
        let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", "test-secret")];
        let environment =
            [keys[0], keys[1], ("AWS_REGION", "eu-central-1"), ("AWS_ENDPOINT_URL_S3", &endpoint)];
        report(&path, &[&format!("s3://{BUCKET}/exports/metrics/2026/")], &environment)
    };
    let (told, status) = tokio::task::spawn_blocking(run).await.unwrap();

    assert_eq!(status, 0, "{told}");
    assert!(told.contains("from 1 file\n"), "{told}");
}
