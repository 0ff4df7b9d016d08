#!/usr/bin/env python3
"""Writes graphs/tests/data/adapters/: adapters of random weights as PEFT saves them, and what PEFT computes with them.

usage: make_adapter_fixtures.py [--check DIR]     needs: pip install torch transformers peft safetensors numpy

Each folder <name> is what `PeftModel.save_pretrained` writes for a checkpoint of graphs/tests/fixtures, and reference.safetensors:

    tokens      i32 [1, 9]
    logits      f32 [1, 9, V]     of the adapted model
    loss        f32 []            of predicting each token, for those with gradients
    grad.NAME   f32               its derivative by the adapter's tensor NAME, as NAME is in adapter_model.safetensors

losses.json holds losses of preferences and of distillation with their derivatives, computed from TRL's formulas (DPOTrainer.dpo_loss,
GKDTrainer.generalized_jsd_loss at its ends) in f64.

--check DIR loads each folder DIR/<name>, written by raxla for the same model, in PEFT and compares its logits with reference.safetensors. They are
written by RAXLA_WRITE_ADAPTERS=DIR cargo test --workspace --test all -- adapters::gradients
"""
import argparse
import json
import pathlib
import shutil

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent / "graphs/tests"
OUT = ROOT / "data/adapters"

# name: (checkpoint, fields of LoraConfig, gradients too?)
SPECS = {
    "gpt2_lora": ("gpt2_plain", dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True, lora_dropout=0.1), True),
    "gpt2_dora_bias": ("gpt2_plain", dict(r=2, lora_alpha=3, target_modules=["c_attn", "attn.c_proj"], fan_in_fan_out=True, use_dora=True, bias="all"), True),
    "llama_rslora": ("llama_gqa_untied", dict(r=4, lora_alpha=6, target_modules="all-linear", use_rslora=True, rank_pattern={"q_proj": 2},
                                              alpha_pattern={"v_proj": 3}), True),
    "llama_layers": ("llama_gqa_untied", dict(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], layers_to_transform=[1]), False),
    "gemma_dora": ("gemma_tied", dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"], use_dora=True), True),
    "qwen3_regex": ("qwen3_head_dim", dict(r=2, lora_alpha=4, target_modules=r".*\.mlp\.(gate|up)_proj", modules_to_save=["input_layernorm"]), False),
    "phi3_fused": ("phi3_gqa_untied", dict(r=3, lora_alpha=3, target_modules=["qkv_proj", "gate_up_proj"]), False),
}


def base(name):
    return AutoModelForCausalLM.from_pretrained(ROOT / "fixtures" / name, dtype=torch.float32, attn_implementation="eager").eval()


def tokens(vocab):
    return torch.tensor([[(7 * i * i + 3 * i + 1) % (vocab - 8) + 4 for i in range(9)]])


def make(name):
    checkpoint, fields, gradients = SPECS[name]
    torch.manual_seed(sum(map(ord, name)))
    model = get_peft_model(base(checkpoint), LoraConfig(task_type="CAUSAL_LM", **fields)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_magnitude" in key:
                p.mul_(1 + 0.2 * torch.randn_like(p))
            elif "lora_" in key:
                p.copy_(0.3 * torch.randn_like(p))
            elif p.requires_grad:
                p.add_(0.1 * torch.randn_like(p))
    out = OUT / name
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    config = json.loads((out / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = checkpoint
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    ids = tokens(model.config.vocab_size)
    logits = model(ids).logits
    reference = {"tokens": ids.int(), "logits": logits.detach().float().contiguous()}
    if gradients:
        loss = F.cross_entropy(logits[0, :-1], ids[0, 1:])
        loss.backward()
        reference["loss"] = loss.detach()
        saved = load_file(out / "adapter_model.safetensors")
        for key, p in model.named_parameters():
            if p.grad is not None:
                stored = key.replace(".default", "").replace("lora_magnitude_vector.weight", "lora_magnitude_vector").replace("modules_to_save.", "")
                assert stored in saved, stored
                reference[f"grad.{stored}"] = p.grad.contiguous()
        assert len(reference) == 3 + len(saved), (len(reference), len(saved))
    save_file(reference, out / "reference.safetensors")
    print(name, len(load_file(out / "adapter_model.safetensors")), "tensors")


def losses():
    torch.manual_seed(3)
    rows = []
    model = (-20 + 5 * torch.randn(4, 2, dtype=torch.float64)).requires_grad_()
    reference = -20 + 5 * torch.randn(4, 2, dtype=torch.float64)
    for kind in ["sigmoid", "hinge", "ipo"]:
        for beta, smoothing in [(0.1, 0.0), (0.5, 0.1 if kind == "sigmoid" else 0.0)]:
            d = (model[:, 0] - model[:, 1]) - (reference[:, 0] - reference[:, 1])
            each = {"sigmoid": -F.logsigmoid(beta * d) * (1 - smoothing) - F.logsigmoid(-beta * d) * smoothing,
                    "hinge": torch.relu(1 - beta * d), "ipo": (d - 1 / (2 * beta)) ** 2}[kind]
            grad, = torch.autograd.grad(each.mean(), model)
            rows.append(dict(loss_type=kind, beta=beta, label_smoothing=smoothing, losses=each.tolist(), grad=grad.flatten().tolist()))
    student = (2 * torch.randn(2, 3, 7, dtype=torch.float64)).requires_grad_()
    teacher, targets = 2 * torch.randn(2, 3, 7, dtype=torch.float64), torch.randint(7, (2, 3))
    distilled = []
    for reverse in [False, True]:
        for temperature, hard in [(1.0, 0.0), (2.5, 0.3)]:
            s, t = F.log_softmax(student / temperature, -1), F.log_softmax(teacher / temperature, -1)
            p, q = (s, t) if reverse else (t, s)
            kl = F.kl_div(q, p, reduction="none", log_target=True).sum(-1) * temperature ** 2
            nll = F.cross_entropy(student.flatten(0, 1), targets.flatten(), reduction="none").reshape(2, 3)
            each = hard * nll + (1 - hard) * kl
            grad, = torch.autograd.grad(each.mean(), student)
            distilled.append(dict(reverse=reverse, temperature=temperature, hard=hard, losses=each.flatten().tolist(), grad=grad.flatten().tolist()))
    flat = lambda x: x.detach().flatten().tolist()
    all = dict(preference=dict(model=flat(model), reference=flat(reference), cases=rows),
               distillation=dict(student=flat(student), teacher=flat(teacher), targets=flat(targets), cases=distilled))
    (OUT / "losses.json").write_text(json.dumps(all, indent=1) + "\n")


def check(folder):
    for name, (checkpoint, _, _) in SPECS.items():
        model = PeftModel.from_pretrained(base(checkpoint), folder / name).eval()
        reference = load_file(OUT / name / "reference.safetensors")
        off = (model(reference["tokens"].long()).logits - reference["logits"]).abs().max().item()
        print(f"{name}: largest difference {off:.2e}")
        assert off < 1e-5, name


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", type=pathlib.Path)
    args = parser.parse_args()
    if args.check:
        check(args.check)
    else:
        OUT.mkdir(parents=True, exist_ok=True)
        for name in SPECS:
            make(name)
        losses()
