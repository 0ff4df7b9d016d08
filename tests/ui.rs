//! What must not compile, and what the compiler says then. Renew the texts with `TRYBUILD=overwrite`.

#[test]
fn mistakes_are_explained_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
