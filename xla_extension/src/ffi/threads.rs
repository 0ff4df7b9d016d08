//! The runtime's threads, for handlers that share out their work.

use crate::sys;
use std::{
    ffi::c_void,
    hint, panic,
    panic::AssertUnwindSafe,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// The runtime's threads as one call of a handler may use them.
#[derive(Clone, Copy)]
pub struct Threads<'a> {
    frame: &'a sys::XLA_FFI_CallFrame,
}

// SAFETY: the functions of the frame's table may be called from any thread while the call lasts.
unsafe impl Send for Threads<'_> {}
// SAFETY: as above.
unsafe impl Sync for Threads<'_> {}

/// Tasks of one [`Threads::run`], shared with helpers that may come late.
struct Job {
    /// Valid while tasks are unfinished: nobody touches it without having claimed one.
    task: *const (dyn Fn(usize) + Sync),
    total: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    panicked: AtomicBool,
    caller: Thread,
}

// SAFETY: the task is `Sync`, and it is called only while `run` keeps it alive.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl<'a> Threads<'a> {
    pub(super) fn new(frame: &'a sys::XLA_FFI_CallFrame) -> Threads<'a> {
        Threads { frame }
    }

    /// How many threads there are, at least 1.
    pub fn count(&self) -> usize {
        let mut count = 0i64;
        let mut args: sys::XLA_FFI_ThreadPool_NumThreads_Args = sys::sized();
        args.ctx = self.frame.ctx;
        args.num_threads = &mut count;
        // SAFETY: the frame's table and context are valid while the call lasts.
        let failed = unsafe {
            match (*self.frame.api).XLA_FFI_ThreadPool_NumThreads {
                Some(function) => self.free(function(&mut args)),
                None => true,
            }
        };
        if failed { 1 } else { usize::try_from(count).unwrap_or(1).max(1) }
    }

    /// Calls `task` with each of `0..total`, on this thread and on those of the runtime that are free, and returns when
    /// all are done. This thread takes every task that no other has begun, so it never waits for a busy pool.
    ///
    /// # Panics
    /// After all tasks are done, when one of them panicked; with or without helpers.
    pub fn run(&self, total: usize, task: impl Fn(usize) + Sync) {
        // (one task is not worth asking anybody)
        if total <= 1 {
            return (0..total).for_each(task);
        }
        let helpers = self.count().min(total).saturating_sub(1);
        let borrowed: &(dyn Fn(usize) + Sync) = &task;
        // SAFETY: only the lifetime changes. `run` returns after all tasks are done, and nobody calls it later.
        let task: *const (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(borrowed) };
        let job = Arc::new(Job {
            task,
            total,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            caller: thread::current(),
        });
        let waiting = Desk::give(&job, helpers);
        for _ in waiting..helpers {
            self.schedule(&job);
        }
        job.work();
        job.wait();
        if job.panicked.load(Ordering::Acquire) {
            panic!("a parallel task panicked");
        }
    }

    fn schedule(&self, job: &Arc<Job>) {
        let mut args: sys::XLA_FFI_ThreadPool_Schedule_Args = sys::sized();
        args.ctx = self.frame.ctx;
        args.task = Some(help);
        args.data = Arc::into_raw(job.clone()).cast_mut().cast::<c_void>();
        // SAFETY: the frame's table and context are valid; the job is given back by `help`, or here if that never runs.
        unsafe {
            let failed = match (*self.frame.api).XLA_FFI_ThreadPool_Schedule {
                Some(function) => self.free(function(&mut args)),
                None => true,
            };
            if failed {
                drop(Arc::from_raw(args.data.cast::<Job>()));
            }
        }
    }

    /// Whether there is an error, which is freed.
    ///
    /// # Safety
    /// `error` is null or an error that is ours.
    unsafe fn free(&self, error: *mut sys::XLA_FFI_Error) -> bool {
        if error.is_null() {
            return false;
        }
        let mut args: sys::XLA_FFI_Error_Destroy_Args = sys::sized();
        args.error = error;
        // SAFETY: the caller vouches.
        unsafe {
            if let Some(function) = (*self.frame.api).XLA_FFI_Error_Destroy {
                function(&mut args);
            }
        }
        true
    }
}

impl Job {
    /// Does tasks until all are claimed.
    fn work(&self) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= self.total {
                return;
            }
            // SAFETY: a claimed task is not done, so `run` has not returned and the task is alive.
            let task = unsafe { &*self.task };
            if panic::catch_unwind(AssertUnwindSafe(|| task(index))).is_err() {
                self.panicked.store(true, Ordering::Release);
            }
            if self.done.fetch_add(1, Ordering::AcqRel) + 1 == self.total {
                self.caller.unpark();
            }
        }
    }

    /// Waits for the tasks that others have claimed; they are running, so briefly.
    fn wait(&self) {
        for _ in 0..10_000 {
            if self.done.load(Ordering::Acquire) == self.total {
                return;
            }
            hint::spin_loop();
        }
        while self.done.load(Ordering::Acquire) != self.total {
            thread::park();
        }
    }
}

unsafe extern "C" fn help(data: *mut c_void) {
    // SAFETY: `data` is the reference that `schedule` gave away, and each helper runs once.
    let job = unsafe { Arc::from_raw(data.cast_const().cast::<Job>()) };
    job.work();
    drop(job);
    Desk::wait_for_jobs();
}

/// Where a helper that has done its job waits a moment for the next one. To wake a thread takes as long as many a job, and it may
/// take the core of who calls; a program that calls one kernel after the other finds its helpers here.
struct Desk {
    /// [`FREE`], [`WAITING`], [`BUSY`], or the address of a job for the helper who sits here.
    state: AtomicUsize,
}
/// Nobody sits here.
const FREE: usize = 0;
/// A helper waits.
const WAITING: usize = 1;
/// A helper works, and looks here next.
const BUSY: usize = 2;
/// How long helpers wait, spinning: longer than a program takes from one kernel to the next, and not long for others who would have
/// the core.
const PATIENCE: Duration = Duration::from_micros(150);
static DESKS: [Desk; 64] = [const { Desk { state: AtomicUsize::new(FREE) } }; 64];

impl Desk {
    fn set(&self, from: usize, to: usize) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives the job to helpers that wait or will be there soon, at most so many; how many it were.
    fn give(job: &Arc<Job>, most: usize) -> usize {
        let mut given = 0;
        for desk in &DESKS[..most.min(desks())] {
            let state = desk.state.load(Ordering::Relaxed);
            if state != WAITING && state != BUSY {
                continue;
            }
            let address = Arc::into_raw(job.clone()) as usize;
            match desk.set(state, address) {
                true => given += 1,
                // SAFETY: the reference that was made above, and that nobody got.
                false => drop(unsafe { Arc::from_raw(address as *const Job) }),
            }
        }
        given
    }

    /// Does jobs as they come, until none has come for a while. Returns at once where as many wait already as cores are to spare.
    fn wait_for_jobs() {
        let Some(desk) = DESKS[..desks()].iter().find(|desk| desk.set(FREE, WAITING)) else { return };
        let mut since = Instant::now();
        loop {
            let state = desk.state.load(Ordering::Acquire);
            if state != WAITING {
                desk.state.store(BUSY, Ordering::Release);
                // SAFETY: the reference that `give` made for this desk; only who sits here takes it.
                let job = unsafe { Arc::from_raw(state as *const Job) };
                job.work();
                drop(job);
                // (unless there is the next one already)
                desk.set(BUSY, WAITING);
                since = Instant::now();
            } else if since.elapsed() > PATIENCE {
                if desk.set(WAITING, FREE) {
                    return;
                }
            } else {
                (0..8).for_each(|_| hint::spin_loop());
            }
        }
    }
}

/// How many helpers may wait: one core is left for who gives them work.
fn desks() -> usize {
    static SPARE: OnceLock<usize> = OnceLock::new();
    *SPARE.get_or_init(|| thread::available_parallelism().map_or(1, |n| n.get() - 1).min(DESKS.len()))
}
