//! The configuration of a run: the template is the default, and every name that it lists means something.
use raxla_graphs::training::run::{RunConfig, TEMPLATE};

fn config() -> RunConfig {
    RunConfig::parse("data = { train = [{ path = 'x' }] }", "run.toml").unwrap()
}

#[test]
fn the_template_is_the_default() {
    assert_eq!(RunConfig::parse(TEMPLATE, "run.toml").unwrap(), RunConfig::default());
    // every field is in it, also those without a default
    let all = toml_fields(&serde_json::to_value(RunConfig::default()).unwrap(), "");
    for field in all {
        let name = field.rsplit('.').next().unwrap();
        assert!(
            TEMPLATE.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} ="))),
            "{field}"
        );
    }
}
fn toml_fields(value: &serde_json::Value, at: &str) -> Vec<String> {
    match value.as_object() {
        Some(table) => table.iter().flat_map(|(name, value)| toml_fields(value, &format!("{at}.{name}"))).collect(),
        None => vec![at.to_string()],
    }
}

/// What pages show of run.toml is one, and a field that they name exists.
#[test]
fn the_configurations_of_the_pages_are_read() {
    let mut count = 0;
    for page in ["docs/training.md", "docs/finetuning.md", "docs/data.md"] {
        let text = std::fs::read_to_string(crate::common::page::root(page)).unwrap();
        for block in text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            RunConfig::parse(block, page).unwrap_or_else(|e| panic!("{e}\n{block}"));
            count += 1;
        }
    }
    assert!(count >= 4, "only {count} were found");
}

/// The names that an error lists.
fn names(setting: &str) -> Vec<String> {
    let wrong = config().with(setting).unwrap().build(10, None).unwrap_err().to_string();
    let list = wrong.split("there are ").nth(1).unwrap_or_else(|| panic!("{wrong}"));
    list.split(", ").map(|name| name.trim().to_string()).collect()
}

#[test]
fn every_optimizer_and_schedule_is_made_by_its_name() {
    let optimizers = names("optimizer.name=none");
    assert!(optimizers.len() > 25, "{optimizers:?}");
    for name in optimizers {
        let config = config().with(&format!("optimizer.name={name}")).unwrap().with("schedule.name=constant").unwrap();
        let built = config.build(10, None).unwrap();
        assert!(!format!("{:?}", built.options.optimizer).is_empty());
    }
    for name in names("schedule.name=none") {
        let config = config().with(&format!("schedule.name={name}")).unwrap().with("schedule.warmup_steps=3").unwrap();
        let schedule = config.build(20, None).unwrap().schedule;
        let values: Vec<f64> = (0..20).map(|step| schedule.value(step).unwrap()).collect();
        assert!(values.iter().all(|x| (0.0..=3.1e-4).contains(x)), "{name}: {values:?}");
        assert!(values.iter().any(|x| *x > 2.5e-4), "{name}: {values:?}");
    }
}

#[test]
fn fields_are_set_one_by_one() {
    let config =
        config().with("optimizer.b1=0.8").unwrap().with("mesh=data=2").unwrap().with("data.train.0.weight=2").unwrap();
    assert_eq!(
        (config.optimizer.b1, config.mesh.as_deref(), config.data.train[0].weight),
        (Some(0.8), Some("data=2"), 2.0)
    );
    let wrong = |setting: &str| config.with(setting).unwrap_err().to_string();
    assert!(wrong("data.train.1.weight=2").contains("`1` is no number of the list, which has 1"));
    assert!(wrong("steps.x=2").contains("what stands before `x` is a value"));
    assert!(wrong("accumulatoin=2").contains("did you mean `accumulation`?"));
    assert!(wrong("holdout=0.1").contains("did you mean `data.holdout`?"));
    assert!(wrong("batch=99999999999999999999").ends_with("TOML has no such number"));
    let uneven =
        config.with("batch=5").unwrap().with("accumulation=2").unwrap().build(1, None).unwrap_err().to_string();
    assert!(uneven.contains("5 rows cannot be cut into 2"), "{uneven}");
}
