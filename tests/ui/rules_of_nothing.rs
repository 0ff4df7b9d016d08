use raxla::Rules;

fn main() {
    let _ = Rules::new([]);
}
