"""From a text file to a saved model: ours, and PyTorch as one writes it. Adam, batches of 32 lines,
32 hidden units, float64; each batch is as long as its own longest line.
"""

from pathlib import Path

import numpy as np

HIDDEN, BATCH, STEP = 32, 32, 0.01
STEPS = {"names": 200, "unequal": 20}


def write(folder):
    """{task: file}: the colour names, and 300 of them with one line of 2000 symbols."""
    from rnnvae_ref import data

    names = data.colour_names()
    lines = names.decode(names.train)
    texts = {"names": lines, "unequal": [*lines[:300], "blue " * 400]}
    for task, lines in texts.items():
        (Path(folder) / f"{task}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {task: str(Path(folder) / f"{task}.txt") for task in texts}


def ours(path, steps):
    from rnnvae_ref import RNN, Categorical, data, fit, log_likelihood, save

    text, rng = data.characters(path), np.random.default_rng(0)
    rnn = RNN(Categorical(len(text.alphabet)), HIDDEN)
    objective = lambda theta, X, rng: log_likelihood(rnn, theta, X)
    theta = rnn.init(rng)
    result = fit(
        objective, theta, text.train, rng=rng, steps=steps, batch=BATCH, step_size=STEP, every=steps
    )
    save(f"{path}.npz", rnn, result.last)


def torch_rnn(path, steps):
    import torch
    from torch.nn.utils.rnn import pad_sequence

    torch.set_num_threads(1)
    lines = [line for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    alphabet = sorted({symbol for line in lines for symbol in line} | {"\n"})
    index = {symbol: i for i, symbol in enumerate(alphabet)}
    order = np.random.default_rng(0).permutation(len(lines))
    train = [
        torch.tensor([index[s] for s in lines[i] + "\n"]) for i in order[: len(lines) * 7 // 10]
    ]
    model = torch.nn.ModuleDict({
        "start": torch.nn.ParameterList([torch.zeros(HIDDEN, dtype=torch.float64)]),
        "cell": torch.nn.RNN(len(alphabet), HIDDEN, dtype=torch.float64),
        "out": torch.nn.Linear(HIDDEN, len(alphabet), dtype=torch.float64),
    })  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), lr=STEP)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        chosen = rng.choice(len(train), BATCH, replace=False)
        X = pad_sequence([train[i] for i in chosen], padding_value=-1)
        first = model["start"][0].expand(1, BATCH, HIDDEN).contiguous()
        x = torch.nn.functional.one_hot(X[:-1].clamp(min=0), len(alphabet)).double()
        logits = model["out"](torch.cat([first, model["cell"](x, first)[0]]))
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), X.flatten(), ignore_index=-1, reduction="sum"
        )
        optimiser.zero_grad()
        (loss / BATCH).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), len(X))
        optimiser.step()
    torch.save(model.state_dict(), f"{path}.pt")
