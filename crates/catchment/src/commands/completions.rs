//! `catchment completions`: completion scripts for shells.

use clap::CommandFactory;

pub(crate) fn print(shell: clap_complete::Shell) {
    clap_complete::generate(
        shell,
        &mut crate::cli::Arguments::command(),
        "catchment",
        &mut std::io::stdout(),
    );
}
