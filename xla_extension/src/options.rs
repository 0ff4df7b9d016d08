//! Compile options, and their protobuf form.

use crate::{
    DType, Error, Result,
    proto::{
        CompileOptionsProto, DeviceAssignmentProto, ExecutableBuildOptionsProto, OptionOverrideProto,
        device_assignment_proto::ComputationDevice, option_override_proto::Value,
    },
};
use prost::Message;

/// How to compile a program.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileOptions {
    /// Copies of the program that run at once on different data, joined by collectives over replicas.
    pub num_replicas: usize,
    /// Parts that each copy is split into by the partitioner.
    pub num_partitions: usize,
    /// Device ids, `[replica][partition]`; by default the plugin chooses.
    pub device_assignment: Option<Vec<Vec<i64>>>,
    /// Partition one program over the devices (SPMD) by its shardings.
    pub use_spmd: bool,
    /// Partition with Shardy (the `sdy` dialect); needs `use_spmd`.
    pub use_shardy: bool,
    /// Whether the partitioner may choose a parameter's sharding: one value for all parameters, or one each.
    pub propagate_to_parameters: Vec<bool>,
    /// Whether the partitioner may choose a result's sharding: one value for all results, or one each.
    pub propagate_to_outputs: Vec<bool>,
    /// XLA's effort for run time: 9 = O0, 19 = O1, 29 = O2, 39 = O3. The CPU ignores it.
    pub optimization_level: Option<i32>,
    /// XLA's effort for fitting in memory, on the same scale.
    pub memory_fitting_level: Option<i32>,
    /// XLA's debug options for this compilation alone, by the names that `XLA_FLAGS` uses; the plugin refuses unknown
    /// ones.
    pub env_overrides: Vec<(String, OptionValue)>,
    /// Pass all arguments as one tuple, which TPUs need above some thousand arguments.
    pub tuple_arguments: bool,
    /// Dtype and dims of every parameter as each device sees it, against which arguments are checked. If `None`, they are
    /// read from the optimized program, which takes about 10 ms per thousand instructions.
    pub parameters: Option<Vec<(DType, Vec<usize>)>>,
    /// If `parameters` are given: which of them a run may take over, by number. If `None`, any may be.
    pub donated: Option<Vec<usize>>,
}

/// The value of an XLA debug option.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// Text, also the name of an enum's value.
    String(String),
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Double(f64),
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            num_replicas: 1,
            num_partitions: 1,
            device_assignment: None,
            use_spmd: false,
            use_shardy: false,
            propagate_to_parameters: Vec::new(),
            propagate_to_outputs: Vec::new(),
            optimization_level: None,
            memory_fitting_level: None,
            env_overrides: Vec::new(),
            tuple_arguments: false,
            parameters: None,
            donated: None,
        }
    }
}

impl CompileOptions {
    /// The protobuf (`CompileOptionsProto`) that plugins take. Equal options give equal bytes.
    pub fn to_proto(&self) -> Result<Vec<u8>> {
        let build = ExecutableBuildOptionsProto {
            device_ordinal: -1,
            num_replicas: self.num_replicas as i64,
            num_partitions: self.num_partitions as i64,
            use_spmd_partitioning: self.use_spmd,
            use_shardy_partitioner: self.use_shardy,
            device_assignment: self.device_assignment.as_ref().map(|ids| self.assignment(ids)).transpose()?,
            allow_spmd_sharding_propagation_to_parameters: self.propagate_to_parameters.clone(),
            allow_spmd_sharding_propagation_to_output: self.propagate_to_outputs.clone(),
            optimization_level: self.optimization_level.unwrap_or(0),
            memory_fitting_level: self.memory_fitting_level.unwrap_or(0),
            process_count: 1,
            ..Default::default()
        };
        let overrides = self.env_overrides.iter().map(|(name, value)| {
            let value = match value.clone() {
                OptionValue::String(text) => Value::StringField(text),
                OptionValue::Bool(bool) => Value::BoolField(bool),
                OptionValue::Int(int) => Value::IntField(int),
                OptionValue::Double(double) => Value::DoubleField(double),
            };
            (name.clone(), OptionOverrideProto { value: Some(value) })
        });
        let proto = CompileOptionsProto {
            parameter_is_tupled_arguments: self.tuple_arguments,
            executable_build_options: Some(build),
            env_option_overrides: overrides.collect(),
            ..Default::default()
        };
        Ok(proto.encode_to_vec())
    }

    /// Some plugins abort the process over a program for more devices than there are, or for one that there is not.
    pub(crate) fn check_devices(&self, ids: &[i64]) -> Result<()> {
        let (replicas, partitions, available) = (self.num_replicas, self.num_partitions, ids.len());
        self.device_assignment.as_ref().map(|ids| self.assignment(ids)).transpose()?;
        let named: Vec<i64> = self.device_assignment.iter().flatten().flatten().copied().collect();
        if let Some(id) = named.iter().find(|id| !ids.contains(id)) {
            let what = format!("the device assignment names the device {id}, but the ids are {ids:?}");
            return Err(Error::invalid(what).help("take ids from `Client::devices`"));
        }
        if let Some(at) = (1..named.len()).find(|at| named[..*at].contains(&named[*at])) {
            return Err(Error::invalid(format!("the device assignment names the device {} twice", named[at])));
        }
        let wanted = replicas.checked_mul(partitions).filter(|&wanted| wanted > 0 && wanted <= available);
        wanted.map(|_| ()).ok_or_else(|| {
            Error::invalid(format!(
                "the program is for {replicas} replicas of {partitions} partitions, but there are {available} devices"
            ))
        })
    }

    fn assignment(&self, ids: &[Vec<i64>]) -> Result<DeviceAssignmentProto> {
        let (replicas, partitions) = (self.num_replicas, self.num_partitions);
        if ids.len() != replicas || ids.iter().any(|row| row.len() != partitions) {
            let shape: Vec<usize> = ids.iter().map(Vec::len).collect();
            return Err(Error::invalid(format!(
                "the device assignment has rows of {shape:?} devices, but there are {replicas} replicas of {partitions} partitions"
            )));
        }
        let computation = |partition: usize| ComputationDevice {
            replica_device_ids: ids.iter().map(|replica| replica[partition]).collect(),
        };
        Ok(DeviceAssignmentProto {
            replica_count: replicas as i32,
            computation_count: partitions as i32,
            computation_devices: (0..partitions).map(computation).collect(),
        })
    }
}
