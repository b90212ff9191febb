//! jq 1.6 as it comes with Debian 12, by which ours is judged.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{Ending, Told, ours};

/// What jq may take, so that a query that runs away does not take the machine along.
const SHELL: &str = "ulimit -v 4000000; exec timeout 300 jq \"$@\"";
/// How jq ends where a query does not compile, and where the input is bad or an error comes.
const DOES_NOT_COMPILE: i32 = 3;
const BAD_INPUT: i32 = 4;
const FAILED: i32 = 5;

pub(super) struct Jq(());

/// What jq makes of a query.
#[derive(Debug, PartialEq)]
pub(super) enum Judgement {
    DoesNotCompile,
    /// What it makes of each document.
    Told(Vec<Told>),
    /// It ended in a way that judges nothing.
    Crashed,
}

impl Jq {
    /// Without jq 1.6 there is no test; where everything must run (`CI=true`) it must be there.
    pub(super) fn find() -> Option<Self> {
        let version = Command::new("jq").arg("--version").output();
        let found = match version {
            Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Err(error) => format!("none ({error})"),
        };
        if found == "jq-1.6" {
            return Some(Self(()));
        }
        let missing = format!("ours is compared with jq 1.6, as Debian 12 has it; the jq in the PATH is {found}");
        let must_run = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!must_run, "{missing}");
        eprintln!("skipped: {missing}");
        None
    }

    /// What a program prints, outputs and errors as they come, and how it ends.
    pub(super) fn run(&self, program: &str, input: &str) -> (String, Option<i32>) {
        let mut child = Command::new("sh")
            .args(["-c", SHELL, "sh", "--unbuffered", "-c"])
            // What begins with a dash would be an option.
            .arg(format!(" {program}"))
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // It may end before it has read everything.
            scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
            let output = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            (text, output.status.code())
        })
    }

    /// Judges queries, each with its documents, in one run if that works.
    pub(super) fn judge(&self, cases: &[(String, Vec<String>)]) -> Vec<Judgement> {
        match self.judge_together(cases) {
            Some(told) => told,
            None => cases.iter().map(|case| self.judge_alone(case)).collect(),
        }
    }

    /// One query after the other is picked by the number that a document has. `None` where one does not compile or
    /// ends jq.
    fn judge_together(&self, cases: &[(String, Vec<String>)]) -> Option<Vec<Judgement>> {
        let mut program = "[\"case\"], (if false then 0".to_owned();
        let mut input = String::new();
        for (at, (query, documents)) in cases.iter().enumerate() {
            program += &format!(" elif .case == {at} then (.document | ({query}\n))");
            for document in documents {
                input += &format!("{{\"case\": {at}, \"document\": {document}}}\n");
            }
        }
        program += " else empty end), [\"end\"]";
        let (printed, code) = self.run(&program, &input);
        if !matches!(code, Some(0 | FAILED)) {
            return None;
        }
        let mut told = read(&printed).into_iter();
        let judgements = cases.iter().map(|(_, documents)| {
            let told: Vec<_> = told.by_ref().take(documents.len()).collect();
            (told.len() == documents.len()).then_some(Judgement::Told(told))
        });
        judgements.collect()
    }

    fn judge_alone(&self, (query, documents): &(String, Vec<String>)) -> Judgement {
        let mut all = Vec::new();
        for document in documents {
            let (printed, code) = self.run(query, document);
            match code {
                Some(DOES_NOT_COMPILE) => return Judgement::DoesNotCompile,
                Some(0 | BAD_INPUT | FAILED) => {}
                _ => return Judgement::Crashed,
            }
            let outputs = printed.lines().map(str::to_owned).collect();
            let ending = if code == Some(0) {
                Ending::Success
            } else {
                Ending::Failure
            };
            all.push(Told { outputs, ending });
        }
        Judgement::Told(all)
    }
}

/// What was printed for each document: a mark, the outputs, and another mark if there was no error.
fn read(printed: &str) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for line in printed.lines() {
        match (line, told.last_mut()) {
            ("[\"case\"]", _) => told.push(Told {
                outputs: Vec::new(),
                ending: Ending::Failure,
            }),
            ("[\"end\"]", Some(last)) => last.ending = Ending::Success,
            (line, Some(last)) => last.outputs.push(line.to_owned()),
            (_, None) => {}
        }
    }
    told
}

/// Where ours and jq differ. What ours ends at a limit is not compared, nor what ends jq.
pub(super) fn difference(query: &str, documents: &[String], judgement: &Judgement) -> Option<String> {
    let mine: Result<Vec<_>, _> = documents.iter().map(|document| ours(query, document)).collect();
    match (mine, judgement) {
        (_, Judgement::Crashed) | (Err(_), Judgement::DoesNotCompile) => None,
        (Err(reason), Judgement::Told(_)) => Some(format!("`{query}` compiles in jq; ours says that it {reason}")),
        (Ok(_), Judgement::DoesNotCompile) => Some(format!("`{query}` does not compile in jq")),
        (Ok(mine), Judgement::Told(told)) => {
            let differ = |(mine, told): &(&Told, &Told)| mine != told && mine.ending != Ending::Limit;
            let mut pairs = mine.iter().zip(told).zip(documents);
            pairs.find(|(pair, _)| differ(pair)).map(|((mine, told), document)| {
                format!("`{query}` of {document}\n  jq makes  {told:?}\n  ours makes {mine:?}")
            })
        }
    }
}
