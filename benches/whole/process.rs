//! A server as a process of its own, and what the kernel says of it.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Ticks of the kernel's clock for processes, a second (`getconf CLK_TCK`, 100 on Linux).
const TICKS: f64 = 100.0;

/// A running server; it ends when this is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub started_in: Duration,
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Process {
    /// Starts it and waits until it answers `path` with 200, or any status for an empty path.
    pub async fn start(command: &mut Command, address: SocketAddr, path: &str) -> Self {
        let began = Instant::now();
        let quiet =
            || if std::env::var_os("BENCH_LOUD").is_some() { Stdio::inherit() } else { Stdio::null() };
        let child = command.stdin(Stdio::null()).stdout(quiet()).stderr(quiet()).spawn().unwrap();
        let mut process = Self { child, address, started_in: Duration::ZERO };
        let client = awc::Client::new();
        while began.elapsed() < Duration::from_secs(60) {
            let answer = client.get(format!("http://{address}/{path}")).send().await;
            if answer.is_ok_and(|answer| path.is_empty() || answer.status() == 200) {
                process.started_in = began.elapsed();
                return process;
            }
            assert!(process.child.try_wait().unwrap().is_none(), "{command:?} ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{command:?} does not answer");
    }

    /// Seconds of the processor, user and system, that it and its children took so far.
    pub fn cpu(&self) -> f64 {
        self.family().iter().map(|id| ticks(*id).unwrap_or_default()).sum::<f64>() / TICKS
    }

    /// Resident memory of it and its children, all and anonymous, in MiB.
    pub fn memory(&self) -> (f64, f64) {
        let field = |name: &str| -> f64 {
            let of = |id: &u32| -> Option<f64> {
                let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next()?.parse().ok()
            };
            self.family().iter().filter_map(of).sum::<f64>() / 1_024.0
        };
        (field("VmRSS:"), field("RssAnon:"))
    }

    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut n = 0;
        while n < family.len() {
            let tasks = fs::read_dir(format!("/proc/{}/task", family[n])).into_iter().flatten().flatten();
            for task in tasks {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(children.split_whitespace().filter_map(|id| id.parse::<u32>().ok()));
            }
            n += 1;
        }
        family
    }
}

fn ticks(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may have blanks.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever started workers passes it on to them.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
