//! The way of a line to the thread that writes it: filtered by a level that can be switched, bounded, with its losses counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use slog::{Drain, Level, Never, OwnedKVList, Record};
use slog_async::{AsyncCore, AsyncGuard};

/// So many lines wait to be written; more are lost, and counted.
const CAPACITY: usize = 8_192;
/// How often a flush looks whether the lines before it are written.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How lines get through.
#[derive(Debug)]
pub struct Channel {
    level: AtomicUsize,
    sent: AtomicU64,
    written: AtomicU64,
    lost: AtomicU64,
}

impl Channel {
    /// Starts the thread that writes lines to `sink`. It writes until the guard is dropped, which waits for it.
    pub fn start<D>(sink: D, level: Level) -> (Arc<Self>, Filtered, AsyncGuard)
    where
        D: Drain<Ok = (), Err = Never> + Send + 'static,
    {
        let channel = Arc::new(Self {
            level: AtomicUsize::new(level.as_usize()),
            sent: AtomicU64::new(0),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let sink = Counted { sink, channel: channel.clone() };
        let (writing, guard) = AsyncCore::custom(sink).chan_size(CAPACITY).build_with_guard();
        (channel.clone(), Filtered { writing, channel }, guard)
    }

    /// Nothing below it gets through.
    pub fn level(&self) -> Level {
        Level::from_usize(self.level.load(Ordering::Relaxed)).unwrap_or(Level::Info)
    }

    /// Lets through what is at least so.
    pub fn set_level(&self, level: Level) {
        self.level.store(level.as_usize(), Ordering::Relaxed);
    }

    /// How many lines were lost since this was last asked.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    /// Waits on this thread until the lines of before are written, at most so long; answers whether they are.
    pub fn flush_now(&self, at_most: Duration) -> bool {
        let (sent, until) = (self.sent.load(Ordering::Acquire), Instant::now() + at_most);
        while self.written.load(Ordering::Acquire) < sent {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        true
    }

    /// Waits until the lines of before are written, at most so long.
    pub async fn flush(&self, at_most: Duration) {
        let sent = self.sent.load(Ordering::Acquire);
        let written = async {
            while self.written.load(Ordering::Acquire) < sent {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // Who is not done by then is written later, and goes with the next file.
        let _ = tokio::time::timeout(at_most, written).await;
    }
}

/// Filters lines and hands them over.
pub struct Filtered {
    writing: AsyncCore,
    channel: Arc<Channel>,
}

impl Drain for Filtered {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if !self.is_enabled(record.level()) {
            return Ok(());
        }
        let counter = match self.writing.log(record, values) {
            Ok(()) => &self.channel.sent,
            Err(_) => &self.channel.lost,
        };
        counter.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn is_enabled(&self, level: Level) -> bool {
        level.is_at_least(self.channel.level())
    }
}

/// Writes lines and counts them.
struct Counted<D> {
    sink: D,
    channel: Arc<Channel>,
}

impl<D: Drain<Ok = (), Err = Never>> Drain for Counted<D> {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        let logged = self.sink.log(record, values);
        self.channel.written.fetch_add(1, Ordering::Release);
        logged
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use slog::{Logger, debug, info, o};

    use super::*;

    /// Writes a line when it is told to.
    struct Gate(Mutex<mpsc::Receiver<()>>, Arc<AtomicU64>);

    impl Drain for Gate {
        type Ok = ();
        type Err = Never;

        fn log(&self, _: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
            // When the test is over, all lines pass.
            let _ = self.0.lock().unwrap().recv();
            self.1.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[actix::test]
    async fn lines_that_find_no_room_are_counted_and_a_flush_waits_for_the_others() {
        let (open, gate) = mpsc::channel();
        let passed = Arc::new(AtomicU64::new(0));
        let (channel, drain, guard) = Channel::start(Gate(Mutex::new(gate), passed.clone()), Level::Info);
        let log = Logger::root(drain, o!());
        let sent = CAPACITY as u64 + 100;
        for n in 0..sent {
            info!(log, "line"; "n" => n);
            debug!(log, "filtered");
        }
        let lost = channel.take_lost();
        // One line is with the writer already.
        assert!((99..=100).contains(&lost), "{lost}");

        drop(open);
        channel.flush(Duration::from_secs(60)).await;

        assert_eq!((passed.load(Ordering::SeqCst) + lost, channel.take_lost()), (sent, 0));
        drop((log, guard));
    }

    #[actix::test]
    async fn the_level_can_be_switched() {
        let (open, gate) = mpsc::channel();
        drop(open);
        let passed = Arc::new(AtomicU64::new(0));
        let (channel, drain, guard) = Channel::start(Gate(Mutex::new(gate), passed.clone()), Level::Info);
        let log = Logger::root(drain, o!());
        for level in [Level::Info, Level::Debug, Level::Info] {
            channel.set_level(level);
            debug!(log, "heard once");
        }

        channel.flush(Duration::from_secs(60)).await;

        assert_eq!(passed.load(Ordering::SeqCst), 1);
        drop((log, guard));
    }
}
