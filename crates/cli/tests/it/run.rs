//! Runs the program in a folder of its own.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

pub struct Place {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// The example, as it lies in the tree.
    pub fn example(self, file: &str) -> Self {
        let text = std::fs::read_to_string(example(file)).unwrap();
        self.file(file, &text)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let program = named_binary().unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-factory").into());
        // Where shells find it by its name, as its users' do.
        let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", path)
            .env("NO_COLOR", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "")
    }

    pub fn run_with(&self, args: &[&str], input: &str) -> Said {
        let mut child = self.command(args).spawn().unwrap();
        // A program that has no use for its input may have closed it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// A server on a free port, ended with the returned value.
    pub fn serve(&self, args: &[&str]) -> Serving {
        let mut all = vec!["serve"];
        all.extend(args);
        all.extend(["--listen", "127.0.0.1:0"]);
        let mut child = self.command(&all).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        // Read as it comes, so that the server never waits for a reader.
        let (lines, logged) = mpsc::channel();
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut serving = Serving { child, address: String::new(), logged, said: RefCell::default() };
        let line = serving.until_logged("serving at http://");
        let (_, rest) = line.split_once("serving at http://").unwrap();
        rest.split('/').next().unwrap().clone_into(&mut serving.address);
        serving
    }
}

/// Another binary than the one that was built with the tests: the release binary, whose times are those that are promised.
pub fn named_binary() -> Option<PathBuf> {
    std::env::var_os("MCP_FACTORY_BINARY").map(PathBuf::from)
}

pub fn example(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/inventory").join(file)
}

#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub struct Serving {
    child: Child,
    pub address: String,
    logged: mpsc::Receiver<String>,
    said: RefCell<String>,
}

impl Serving {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// One request on a connection of its own; status line and headers, and body.
    pub fn post(&self, headers: &[(&str, &str)], body: &str) -> (String, String) {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Connection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    pub fn call(&self, headers: &[(&str, &str)], tool: &str, arguments: &str) -> (String, String) {
        let params = format!("{{\"name\":\"{tool}\",\"arguments\":{arguments}}}");
        self.post(headers, &format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{params}}}"))
    }

    /// Waits for a line that says so.
    pub fn until_logged(&self, text: &str) -> String {
        loop {
            let line = self.logged.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("`{text}` is not in the log: {}", self.said.borrow()));
            *self.said.borrow_mut() += &format!("{line}\n");
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Asks it to end as an operator would; its exit code, and what it logged.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("TERM");
        let code = self.child.wait().unwrap().code();
        let rest: String = self.logged.iter().map(|line| line + "\n").collect();
        (code, self.said.take() + &rest)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
