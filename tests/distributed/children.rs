//! The processes: this program, started again to do one thing.
use super::{LIMIT, gateway::Gateway};
use raxla::{
    Array, Aval, DType, Error, Mesh, P, Tensor,
    checkpoint::{CheckpointManager, Metadata, Target},
    distributed::{self, Detection, OnLoss, Options, Session},
    jit, runtime,
};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Where processes meet.
pub enum Server {
    StandIn(Gateway),
    Etcd { process: std::process::Child, address: String, _data: tempfile::TempDir },
    None(String),
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    pub fn stand_in() -> Server {
        Server::StandIn(Gateway::start("v3"))
    }
    pub fn none() -> Server {
        Server::None(format!("127.0.0.1:{}", free_port()))
    }
    /// etcd, if it is installed.
    pub fn etcd() -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        let (client, peer) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        for (names, address) in [
            (["--listen-client-urls", "--advertise-client-urls"], &client),
            (["--listen-peer-urls", "--initial-advertise-peer-urls"], &peer),
        ] {
            for name in names {
                command.arg(name).arg(format!("http://{address}"));
            }
        }
        command.arg("--initial-cluster").arg(format!("default=http://{peer}"));
        let child = command.spawn().ok()?;
        let start = Instant::now();
        while TcpStream::connect(&client).is_err() {
            assert!(start.elapsed() < LIMIT, "the start of etcd did not happen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(Server::Etcd { process: child, address: client, _data: folder })
    }
    pub fn address(&self) -> String {
        match self {
            Server::StandIn(gateway) => gateway.address.clone(),
            Server::Etcd { address, .. } | Server::None(address) => address.clone(),
        }
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        if let Server::Etcd { process, .. } = self {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub struct Child {
    process: std::process::Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// What has been read of it.
    read: String,
}
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Child {
    /// Reads until a line says so.
    pub fn wait_for(&mut self, word: &str) {
        loop {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended before `{word}`:\n{}", self.read);
            self.read += &line;
            if line.contains(word) {
                return;
            }
        }
    }
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// The plugin's file, beside this program.
pub fn plugin() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().join("libraxla_mock_plugin.so")
}

/// Process `index` of `count`; with 0, the variables say it.
pub fn start(role: &str, index: usize, count: usize, server: &Server, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["children::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("RAXLA_TEST_ROLE", role).env("RAXLA_COORDINATOR_ADDRESS", server.address());
    if count > 0 {
        command.env("RAXLA_NUM_PROCESSES", count.to_string()).env("RAXLA_PROCESS_ID", index.to_string());
    }
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    Child { process, stdout, read: String::new() }
}

pub fn output(mut child: Child) -> Output {
    child.stdout.read_to_string(&mut child.read).unwrap();
    let mut stderr = String::new();
    child.process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Output { status: child.process.wait().unwrap(), stdout: child.read, stderr }
}

/// The number behind a word.
pub fn number(text: &str, word: &str) -> usize {
    let (_, rest) = text.split_once(&format!("{word} = ")).unwrap_or_else(|| panic!("no {word} in {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
#[ignore = "run by other tests in a child process"]
fn child() {
    let role = env::var("RAXLA_TEST_ROLE").expect("a role");
    let on_loss = if role == "wait" { OnLoss::Exit } else { OnLoss::Report };
    let seconds = Duration::from_secs;
    let options = Options {
        initialization_timeout: if role == "meet" { seconds(2) } else { seconds(30) },
        heartbeat_timeout: seconds(2),
        shutdown_timeout: seconds(30),
        detection: Detection::Auto,
        on_loss,
        ..Default::default()
    };
    let outcome = distributed::initialize(&options).and_then(|session| {
        println!("joined");
        play(&role, session)
    });
    match outcome {
        Ok(()) => println!("process is at its end"),
        Err(Error::Distributed(e)) => println!("{:?}: {e}", e.problem),
        Err(e) => println!("error: {e}"),
    }
}

pub fn client(options: &[(&str, i64)]) -> raxla::Result<raxla::Client> {
    let create_options = options.iter().map(|(name, value)| (name.to_string(), (*value).into())).collect();
    let platform = plugin().to_str().unwrap().to_string();
    runtime::client_with(&runtime::Options { platform, create_options, ..Default::default() })
}

fn play(role: &str, session: Session) -> raxla::Result<()> {
    let all = session.processes().clone();
    match role {
        "meet" => session.shutdown(),
        "work" => {
            work()?;
            println!("process {} is done", distributed::process_index());
            session.shutdown()
        }
        // for ever, but for a loss
        "wait" | "report" => {
            all.barrier("nobody comes", if all.index() == 0 { LIMIT } else { LIMIT * 2 }).map(|()| thread::sleep(LIMIT))
        }
        "panic" => panic!("as it should"),
        "at a" => all.barrier("a", Duration::from_secs(1)),
        "at b" => all.barrier("b", Duration::from_secs(2)),
        "client" => {
            let outcome = client(&[("mock_timeout_ms", 300)]);
            all.barrier("tried", LIMIT)?;
            outcome.map(drop)
        }
        "no client" => all.barrier("tried", LIMIT),
        "waiting client" => client(&[("mock_timeout_ms", LIMIT.as_millis() as i64)]).map(drop),
        "leave" => Ok(()),
        "alone" => {
            println!("process {} of {}, devices = {}", all.index(), all.count(), client(&[])?.all_devices().len());
            session.shutdown()
        }
        other => panic!("{other} is no role"),
    }
}

/// What three processes do together: process i has i + 1 devices.
fn work() -> raxla::Result<()> {
    let me = distributed::process_index();
    let client = client(&[("mock_devices", me as i64 + 1)])?;
    assert!(runtime::set_client(client.clone()));
    let version = client.platform_version();
    assert_eq!(version, format!("mock mock_devices={} node_id={me} num_nodes=3", me + 1));
    assert_eq!((client.process_index(), distributed::process_count()), (me as i64, 3));
    assert_eq!(distributed::processes().unwrap().members().len(), 3);
    let owners: Vec<i64> = client.all_devices().iter().map(|d| d.description().process_index).collect();
    assert_eq!(owners, [0, 1, 1, 2, 2, 2]);
    let own = |devices: &[raxla::runtime::Device]| devices.iter().map(|d| d.id()).collect::<Vec<i64>>();
    assert_eq!(own(client.devices()), [vec![0], vec![1, 2], vec![3, 4, 5]][me]);

    let mesh = Mesh::auto(&client, "data")?;
    assert_eq!((mesh.size(), mesh.addressable_devices().count(), mesh.is_local()), (6, me + 1, false));
    // rows of this process: 2 on each device
    let (first, rows) = ([0, 2, 6][me], 2 * (me + 1));
    let values: Vec<f32> = (first * 3..(first + rows) * 3).map(|i| i as f32).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_ne_bytes()).collect();
    let by_rows = mesh.sharding(P!["data"]);
    let x = Array::from_process_local_data(&by_rows, &Aval::new(DType::F32, [rows, 3]), &bytes, None)?;
    assert_eq!((x.dims(), x.is_fully_addressable(), x.is_fully_replicated()), (&[12, 3][..], false, false));
    let shards = x.addressable_shards();
    assert_eq!(shards.len(), me + 1);
    for (i, shard) in shards.iter().enumerate() {
        assert_eq!((shard.index[0].clone(), shard.first), (first + 2 * i..first + 2 * i + 2, true));
        assert_eq!(shard.data.to_vec::<f32>()?, values[6 * i..6 * i + 6]);
    }
    let error = x.to_vec::<f32>().unwrap_err().to_string();
    let wanted = format!("the devices of this process hold {} of its 36 elements, but all are asked for", rows * 3);
    assert!(error.contains(&wanted) && error.contains("process_allgather"), "{error}");
    assert_eq!(x.to_string(), "f32[12, 3], partly in other processes");
    assert!(x.visualize().to_string().contains("10..12"), "{}", x.visualize());

    let whole = distributed::process_allgather(&x, true)?;
    assert_eq!(whole.to_vec::<f32>()?, (0..36).map(|i| i as f32).collect::<Vec<_>>());
    let again = distributed::process_allgather(&x, true)?;
    assert_eq!(again.to_vec::<f32>()?, whole.to_vec::<f32>()?);
    let mine = Array::from_slice([2], &[me as i32, 7])?;
    let (stacked, tiled) = distributed::process_allgather(&(mine.clone(), mine.clone()), false)?;
    assert_eq!((stacked.dims(), stacked.to_vec::<i32>()?), (&[3, 2][..], vec![0, 7, 1, 7, 2, 7]));
    assert_eq!(tiled.dims(), [3, 2]);
    assert_eq!(distributed::process_allgather(&mine, true)?.to_vec::<i32>()?, [0, 7, 1, 7, 2, 7]);
    // more than one piece of the store
    let large = Array::from_slice([700_000], &vec![me as f32; 700_000])?;
    assert_eq!(distributed::process_allgather(&large, false)?.to_vec::<f32>()?[1_400_000..1_400_002], [2.0; 2]);

    let of_zero = distributed::broadcast_one_to_all(&mine, None)?;
    assert_eq!(of_zero.to_vec::<i32>()?, [0, 7]);
    assert_eq!(distributed::broadcast_one_to_all(&mine, Some(me == 2))?.to_vec::<i32>()?, [2, 7]);
    distributed::assert_equal(&of_zero, "all have what process 0 has")?;
    let error = distributed::assert_equal(&(of_zero, mine), "all have the same").unwrap_err().to_string();
    assert!(error.contains("all have the same: `1` in process ") && error.contains("is not as in process"), "{error}");
    let odd = Array::from_slice([me + 1], &vec![0u8; me + 1])?;
    let error = distributed::process_allgather(&odd, true).unwrap_err().to_string();
    assert!(
        error.contains(&format!("is uint8[{}] here, but uint8[", me + 1))
            || error.contains(&format!("u8[{}] here", me + 1)),
        "{error}"
    );
    distributed::sync_global_devices("after the exchange")?;
    // the first word counts
    let all = distributed::processes().expect("it has joined");
    assert_eq!(all.said("a word")?, None);
    distributed::sync_global_devices("nobody has said it")?;
    if me > 0 {
        all.say_once("a word", &[me as u8])?;
        let said = all.said("a word")?.expect("it was said");
        assert!(said == [1] || said == [2], "{said:?}");
    }
    distributed::sync_global_devices("all have said it")?;
    distributed::assert_equal(&Array::from_slice([1], &all.said("a word")?.expect("it was said"))?, "one word")?;

    // a replicated array can be read everywhere; a whole axis can be given by each
    let r = Array::from_bytes_sharded(
        &mesh.replicated(),
        Aval::new(DType::I32, [2]),
        std::sync::Arc::new(vec![1, 0, 0, 0, 2, 0, 0, 0]),
    )?;
    assert_eq!((r.is_fully_addressable(), r.is_fully_replicated(), r.to_vec::<i32>()?), (false, true, vec![1, 2]));
    assert_eq!(r.addressable_shards().iter().filter(|s| s.first).count(), usize::from(me == 0));
    let all: Vec<u8> = (0..12u8).collect();
    let y = Array::from_process_local_data(&by_rows, &Aval::new(DType::U8, [12]), &all, Some(&[12]))?;
    assert_eq!(y.addressable_shards()[0].data.to_vec::<u8>()?, [first as u8, first as u8 + 1]);
    let error =
        Array::from_process_local_data(&by_rows, &Aval::new(DType::U8, [5]), &all[..5], Some(&[12])).unwrap_err();
    assert!(error.to_string().contains(&format!("this process holds {} of the 6 parts of 12", me + 1)), "{error}");

    let folder = env::var("RAXLA_TEST_FOLDER").expect("a folder");
    saved_together(&folder, &x, &r, me)?;

    // a program over the devices of all: each process gives and takes its parts
    let swap = jit(|x: Tensor, y: Tensor| (y, x)).on(&mesh).out_shardings(P!["data"]);
    let (y2, x2) = swap.call((&x, &y))?;
    for (shard, was) in x2.addressable_shards().iter().zip(&shards) {
        assert_eq!((shard.data.to_vec::<f32>()?, &shard.index), (was.data.to_vec::<f32>()?, &was.index));
    }
    assert_eq!(y2.addressable_shards()[me].data.to_vec::<u8>()?[0] as usize, first + 2 * me);
    // what is on the host of each is divided first
    let z = Array::from_slice([6], &[0i32, 1, 2, 3, 4, 5])?.put(&by_rows)?;
    assert_eq!(z.addressable_shards()[0].data.to_vec::<i32>()?, [[0, 1, 3][me]]);
    Ok(())
}

/// A checkpoint of arrays over the devices of all, and of one that each process has for itself.
fn saved_together(folder: &str, x: &Array, r: &Array, me: usize) -> raxla::Result<()> {
    let own = Array::from_slice([1], &[me as i32])?;
    let mut manager = CheckpointManager::open(folder, Default::default())?;
    for step in [1, 2] {
        manager.save(step, &(x.clone(), r.clone(), own.clone()), Metadata::default())?;
        let saved = manager.wait()?.expect("it was saved");
        assert_eq!((saved.step, saved.files), (step, 6));
    }
    let at = |array: &Array| Target { aval: array.aval().clone(), sharding: array.sharding().cloned() };
    let like = (at(x), at(r), at(&own));
    let (x2, r2, own2) = manager.restore(2, &like, &Default::default())?.tree;
    for (shard, was) in x2.addressable_shards().iter().zip(x.addressable_shards()) {
        assert_eq!((shard.data.to_vec::<f32>()?, &shard.index), (was.data.to_vec::<f32>()?, &was.index));
    }
    assert_eq!((r2.to_vec::<i32>()?, own2.to_vec::<i32>()?), (vec![1, 2], vec![0]));
    // what cannot be saved leaves nothing
    let complex = Aval::new(DType::C128, x.dims().to_vec());
    let wrong = Array::zeros_sharded(x.sharding().expect("it is divided"), complex)?;
    manager.save(3, &wrong, Metadata::default())?;
    let error = manager.wait().unwrap_err().to_string();
    assert!(error.contains("a dtype that its files do not have"), "{error}");
    assert_eq!(manager.steps()?, [1, 2]);
    // nor do folders that hosts do not share
    let own = Path::new(folder).join(format!("host {}", me.min(1)));
    let mut elsewhere = CheckpointManager::open(own, Default::default())?;
    let outcome = elsewhere.save(1, x, Metadata::default()).and_then(|()| elsewhere.wait());
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("save into a folder that all hosts share"), "{error}");
    assert!(elsewhere.steps()?.is_empty());
    Ok(())
}
