#[derive(clap::Args)]
pub(crate) struct Arguments {}
pub(crate) fn make(_: &Arguments) -> anyhow::Result<()> {
    Ok(())
}
