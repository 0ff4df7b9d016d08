"""Values and derivatives of jax.numpy.fft, for tests/fft.rs: tests/fixtures/fft.json.

    python scripts/make_fft_fixtures.py        (JAX 0.10.2)
"""

import jax
import jax.numpy as jnp
from fixture_cases import case, cplx, real, values, write

fft = jnp.fft
each = ["backward", "ortho", "forward"]
k = 2j * jnp.pi * fft.rfftfreq(6, 1 / 6)

CASES = {
    **{f"fft_{norm}": (lambda x, norm=norm: fft.fft(x, norm=norm), [cplx(6)]) for norm in each},
    **{f"ifft_{norm}": (lambda x, norm=norm: fft.ifft(x, norm=norm), [cplx(6)]) for norm in each},
    **{f"rfft_{norm}": (lambda x, norm=norm: fft.rfft(x, norm=norm), [real(6)]) for norm in each},
    **{f"irfft_{norm}": (lambda x, norm=norm: fft.irfft(x, norm=norm), [cplx(4)]) for norm in each},
    **{f"hfft_{norm}": (lambda x, norm=norm: fft.hfft(x, norm=norm), [cplx(4)]) for norm in each},
    **{f"ihfft_{norm}": (lambda x, norm=norm: fft.ihfft(x, norm=norm), [real(6)]) for norm in each},
    "fft_of_real": (fft.fft, [real(2, 5)]),
    "fft_prime": (fft.fft, [cplx(13)]),
    "fft_of_one": (fft.fft, [cplx(2, 1)]),
    "fft_first_axis": (lambda x: fft.fft(x, axis=0), [cplx(3, 2)]),
    "fft_cut": (lambda x: fft.fft(x, n=3), [cplx(2, 5)]),
    "fft_filled": (lambda x: fft.fft(x, n=7, axis=0), [cplx(4, 2)]),
    "ifft_filled": (lambda x: fft.ifft(x, n=5, norm="ortho"), [cplx(3)]),
    "rfft_odd": (fft.rfft, [real(7)]),
    "rfft_cut": (lambda x: fft.rfft(x, n=4, axis=0), [real(6, 2)]),
    "irfft_odd": (lambda x: fft.irfft(x, n=5), [cplx(3)]),
    "irfft_cut": (lambda x: fft.irfft(x, n=4, axis=0), [cplx(5, 2)]),
    "irfft_filled": (lambda x: fft.irfft(x, n=9), [cplx(3)]),
    "irfft_of_real": (fft.irfft, [real(3)]),
    "hfft_odd": (lambda x: fft.hfft(x, n=5), [cplx(3)]),
    "ihfft_odd": (lambda x: fft.ihfft(x, n=5), [real(6)]),
    "fft2": (fft.fft2, [cplx(2, 3, 4)]),
    "fft2_axes": (lambda x: fft.fft2(x, axes=(0, 2), norm="ortho"), [cplx(2, 3, 4)]),
    "ifft2": (lambda x: fft.ifft2(x, s=(4, 2)), [cplx(3, 3)]),
    "rfft2": (fft.rfft2, [real(3, 4)]),
    "rfft2_axes": (lambda x: fft.rfft2(x, axes=(1, 0), norm="forward"), [real(3, 4)]),
    "irfft2": (fft.irfft2, [cplx(3, 3)]),
    "irfft2_odd": (lambda x: fft.irfft2(x, s=(3, 5), norm="ortho"), [cplx(2, 3)]),
    "fftn": (fft.fftn, [cplx(2, 3, 2)]),
    "fftn_four": (fft.fftn, [cplx(2, 3, 2, 2)]),
    "fftn_sizes": (lambda x: fft.fftn(x, s=(2, 4)), [cplx(2, 3, 3)]),
    "fftn_axes": (lambda x: fft.fftn(x, s=(4, 2), axes=(2, 0), norm="forward"), [cplx(3, 2, 3)]),
    "ifftn": (fft.ifftn, [cplx(2, 3)]),
    "ifftn_five": (lambda x: fft.ifftn(x, norm="ortho"), [cplx(2, 1, 3, 2, 2)]),
    "rfftn": (fft.rfftn, [real(2, 3, 4)]),
    "rfftn_four": (fft.rfftn, [real(2, 3, 2, 3)]),
    "irfftn": (fft.irfftn, [cplx(2, 3, 3)]),
    "irfftn_four": (lambda x: fft.irfftn(x, s=(2, 2, 3, 3)), [cplx(2, 2, 3, 2)]),
    "irfftn_axes": (lambda x: fft.irfftn(x, axes=(2, 0)), [cplx(3, 2, 3)]),
    "shift": (lambda x: fft.fftshift(x), [cplx(2, 5)]),
    "shift_one": (lambda x: fft.fftshift(x, axes=1), [real(3, 4)]),
    "unshift": (lambda x: fft.ifftshift(x, axes=(0, 1)), [cplx(2, 5)]),
    "derivative": (lambda x: fft.irfft(k * fft.rfft(x)), [real(6)]),
    "convolution": (lambda x, y: fft.ifft(fft.fft(x) * fft.fft(y)).real, [real(5), real(5)]),
    "power": (lambda x: jnp.abs(fft.rfft(x)) ** 2, [real(6)]),
    "grad_of_power": (jax.grad(lambda x: (jnp.abs(fft.fft(x)) ** 4).sum()), [real(5)]),
    "grad_of_filter": (jax.grad(lambda x: (fft.irfft(fft.rfft(x) * jnp.arange(4)) ** 3).sum()), [real(6)]),
    "holomorphic": (jax.grad(lambda x: (fft.fft(x) ** 2).sum(), holomorphic=True), [cplx(4)]),
}
VALUES = {
    "freq_even": (lambda x: fft.fftfreq(6, 0.5), [real(1)]),
    "freq_odd": (lambda x: fft.fftfreq(5), [real(1)]),
    "rfreq_even": (lambda x: fft.rfftfreq(6, 0.1), [real(1)]),
    "rfreq_odd": (lambda x: fft.rfftfreq(7, 2.0), [real(1)]),
    "long_prime": (fft.fft, [cplx(67)]),
    "empty_batch": (fft.fft, [cplx(0, 4)]),
    "empty_line": (lambda x: fft.fft(x, norm="ortho"), [cplx(3, 0)]),
    "empty_inverse": (lambda x: fft.ifft(x, axis=0), [real(0, 2)]),
    "empty_filled": (lambda x: fft.fft(x, n=4), [cplx(0)]),
    "empty_batch_real": (fft.rfft, [real(0, 5)]),
    "empty_to_real": (fft.irfft, [cplx(2, 0)]),
    "one_to_real": (fft.irfft, [cplx(2, 1)]),
    "empty_hermitian": (fft.hfft, [cplx(1)]),
    "empty_fft2": (fft.fft2, [cplx(2, 3, 0)]),
    "empty_rfft2": (fft.rfft2, [real(0, 3)]),
    "empty_irfft2": (fft.irfft2, [cplx(0, 3)]),
    "empty_rfftn": (lambda x: fft.rfftn(x, axes=(1, 0, 2)), [real(2, 0, 4)]),
    "empty_fftn_four": (fft.fftn, [cplx(2, 1, 0, 3)]),
    "empty_shift": (fft.fftshift, [real(0, 3)]),
    "freq_none": (lambda x: fft.fftfreq(0), [real(1)]),
}

out = {name: case(*c) for name, c in CASES.items()}
out |= {name: values(*c) for name, c in VALUES.items()}
write("fft", out)
