//! AWS Security Token Service: who is calling. Clients ask it to check their credentials.

mod get_caller_identity;

/// STS has no state of its own.
pub struct Sts;

pub(crate) type Call = protocol_aws::Call<Sts>;

pub fn service() -> protocol_aws::Service {
    protocol_aws::Service::new("sts", Sts)
        .on("GetCallerIdentity", get_caller_identity::handle)
        .build()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_of_what_is_not_built_is_true() {
        protocol_aws::testing::check_unimplemented(&super::service(), include_str!("../unimplemented.txt"));
    }
}
