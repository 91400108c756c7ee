//! One server process under a watchdog: a shell that ends it, and removes its folder, when its standard input closes, as
//! it does when the test process is gone.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Seek, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

const WATCHDOG: &str = r#"
folder=$1 signal=$2; shift 2
trap '' INT TERM HUP
begin() { "$@" </dev/null >"$folder/log" 2>&1 & pid=$!; }
end() { kill -"$signal" "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; }
begin "$@"
while read -r command; do
  case $command in
    stop) end ;;
    start) begin "$@" ;;
  esac
  echo done
done
end
rm -rf "$folder"
"#;

/// How long a service may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug)]
pub struct Service {
    pub folder: PathBuf,
    watchdog: Mutex<Watchdog>,
}

#[derive(Debug)]
struct Watchdog {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The account that a service runs as: not root, which they refuse.
#[derive(Debug, Clone, Copy)]
pub struct Account(pub &'static str);

impl Account {
    /// The start of a command line that runs as this account.
    pub fn command(self, program: &Path) -> Vec<String> {
        let program = program.display().to_string();
        if !is_root() {
            return vec![program];
        }
        let account = self.0;
        ["setpriv", "--reuid", account, "--regid", account, "--clear-groups", "--", &program]
            .map(str::to_owned)
            .to_vec()
    }

    pub fn own(self, folder: &Path) {
        if is_root() {
            let id = |flag| {
                let output = Command::new("id").args([flag, self.0]).output().expect("`id` runs");
                let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                text.parse().unwrap_or_else(|_| panic!("there is no account `{}`", self.0))
            };
            chown(folder, Some(id("-u")), Some(id("-g"))).expect("root may change the owner");
        }
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc is there").uid() == 0
}

/// A folder that is made once per build folder by `make`, and copied into a new one for each service.
pub fn copy_of_template(name: &str, account: Account, make: impl FnOnce(&Path)) -> PathBuf {
    let template = build_folder().join(name);
    if !template.exists() {
        let fresh = fresh_folder(account);
        let data = fresh.join("data");
        fs::create_dir(&data).expect("the folder is new");
        account.own(&data);
        make(&data);
        let folder = template.parent().expect("it has just been joined");
        fs::create_dir_all(folder).expect("the build folder can be written");
        let staged = tempfile::Builder::new().prefix(name).tempdir_in(folder).expect("as above").keep();
        run(Command::new("cp").arg("-a").arg(&data).arg(&staged));
        // Another process may have been quicker; its folder is as good.
        let _ = fs::rename(staged.join("data"), &template);
        let _ = fs::remove_dir_all(&staged);
        let _ = fs::remove_dir_all(&fresh);
    }
    let folder = fresh_folder(account);
    run(Command::new("cp").args(["-a", "--reflink=auto"]).arg(&template).arg(folder.join("data")));
    folder
}

fn fresh_folder(account: Account) -> PathBuf {
    let folder = tempfile::Builder::new().prefix("service-").tempdir().expect("there is room for files").keep();
    account.own(&folder);
    folder
}

/// Runs a command to its end and panics with what it said if it failed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let said = || String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?} failed: {}", said());
}

/// Runs a command that reads this text.
pub fn feed(command: &mut Command, text: &str) {
    let mut file = tempfile::tempfile().expect("there is room for files");
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).expect("as above");
    run(command.stdin(file));
}

/// A port for a server, which no test takes meanwhile: neither those that start servers, for it is locked, nor those that open
/// connections by the thousand, for it is below those that the system hands out. A server that was stopped finds it free.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: fs::File,
}

impl Port {
    pub fn reserve() -> Self {
        let locks = build_folder().join("ports");
        fs::create_dir_all(&locks).expect("the build folder can be written");
        let ports = FIRST_PORT..handed_out().max(FIRST_PORT + 1_000);
        let begin = RandomState::new().hash_one(std::process::id());
        let some = (0..ports.len() as u64).map(|step| ports.start + ((begin + step) % ports.len() as u64) as u16);
        let free = some.into_iter().find_map(|number| {
            let lock = fs::File::create(locks.join(number.to_string())).ok()?;
            lock.try_lock().ok()?;
            TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            Some(Self { number, _lock: lock })
        });
        free.expect("there is a free port")
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}

const FIRST_PORT: u16 = 15_000;

/// The first port that the system takes for a connection, or for a listener that names none.
fn handed_out() -> u16 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    range.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768)
}

/// Where the program of the test was built: what tests of all crates share.
fn build_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a process knows its program");
    program.parent().expect("a program is in a folder").join("services")
}

impl Service {
    /// `folder` belongs to the service from now on, and goes with it. `signal` ends the service at once.
    pub fn start(folder: PathBuf, signal: &str, command: &[String]) -> Self {
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(&folder)
            .arg(signal)
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not hit by what is sent to the test's group: it has to clean up.
            .process_group(0)
            .spawn()
            .expect("`sh` runs");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { folder, watchdog: Mutex::new(Watchdog { child, commands, answers }) }
    }

    pub fn tell(&self, command: &str) {
        let mut watchdog = self.watchdog.lock().expect("nothing panics with it");
        let commands = watchdog.commands.as_mut().expect("taken only when dropped");
        writeln!(commands, "{command}").expect("the watchdog reads");
        let mut answer = String::new();
        watchdog.answers.read_line(&mut answer).expect("the watchdog answers");
    }

    /// Waits until the service is as it should be.
    #[expect(clippy::disallowed_methods, reason = "a foreign process changes the state, and tells nobody")]
    pub fn wait(&self, name: &str, ready: impl Fn() -> bool) {
        let begun = Instant::now();
        while !ready() {
            if begun.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("{name} did not start within {PATIENCE:?}; its log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let watchdog = self.watchdog.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(watchdog.commands.take());
        let _ = watchdog.child.wait();
    }
}
