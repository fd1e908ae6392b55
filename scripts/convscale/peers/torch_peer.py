# SPDX-License-Identifier: Apache-2.0
"""PyTorch: one grouped convolution of all images, replayed as a CUDA graph."""
from __future__ import annotations

from typing import Any, Callable, Optional

from convscale.generator import Array
from convscale.peers.peer import UNKNOWN_L2_BYTES, Peer, cudnn_version, first_line

_WARM_UPS = 3  # before a capture, as PyTorch's documentation asks


class TorchPeer(Peer):
    """conv2d cross-correlates, and pads the images on both sides: flipped filters and a padding of
    K - 1 make it the full convolution, with a stride of S every S-th output of it."""

    name, call = "torch", "conv2d"

    def missing(self) -> Optional[str]:
        import torch
        self._torch = torch
        if self.device == "cuda" and not torch.cuda.is_available():
            return f"PyTorch {torch.__version__} sees no GPU"
        torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        torch.set_grad_enabled(False)
        return None

    def software(self) -> str:
        torch = self._torch
        parts = {"PyTorch": torch.__version__, "CUDA": torch.version.cuda,
                 "cuDNN": cudnn_version(torch.backends.cudnn.version())}
        return ", ".join(f"{name} {version}" for name, version in parts.items() if version)

    def device_name(self) -> str:
        if self.device == "cpu":
            return "cpu"
        return str(self._torch.cuda.get_device_name(0))

    def l2_bytes(self) -> int:
        if self.device == "cpu":
            return UNKNOWN_L2_BYTES
        properties = self._torch.cuda.get_device_properties(0)
        return int(getattr(properties, "L2_cache_size", 0)) or UNKNOWN_L2_BYTES

    def prepare(self, images: Array, filters: Array, method: str, stride: int,
                copies: int) -> None:
        torch = self._torch
        self._graphs: list[Any] = []
        first = torch.from_numpy(images).to(self.device, copy=True)
        self._images = [first, *(first.clone() for _ in range(copies - 1))]
        taps = torch.from_numpy(filters).to(self.device)
        self._function = self.function(taps, images.shape, method, stride)
        self._outputs: list[Any] = [None] * copies
        self._last = 0
        if self.device == "cuda":
            self._try_to_capture()

    def function(self, filters: Any, shape: tuple[int, ...], method: str,
                 stride: int) -> Callable[[Any], Any]:
        """Of images (N, H, W), to results (N, out_height, out_width)."""
        count, size = len(filters), filters.shape[-1]
        weights = filters.flip(-1, -2).reshape(count, 1, size, size).contiguous()
        conv2d = self._torch.nn.functional.conv2d

        def convolve(images: Any) -> Any:
            one = images.view(1, *shape)
            if method == "full":
                whole = conv2d(one, weights, stride=1, padding=size - 1, groups=count)
                return whole[0, :, ::stride, ::stride].contiguous()
            return conv2d(one, weights, stride=stride, padding=size - 1, groups=count)[0]

        return convolve

    def _try_to_capture(self) -> None:
        try:
            self._capture()
        except RuntimeError as error:  # such as of a library that may not be captured
            self._graphs, self._outputs = [], [None] * len(self._images)
            self._torch.cuda.synchronize()
            self.notes.append(f"not replayed as a CUDA graph: {first_line(error)}")

    def _capture(self) -> None:
        """A graph for each copy, since a graph's inputs are where they were."""
        cuda, pool = self._torch.cuda, None
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._function(self._images[0])
        cuda.current_stream().wait_stream(side)
        for copy, images in enumerate(self._images):
            graph = cuda.CUDAGraph()
            with cuda.graph(graph, pool=pool):
                self._outputs[copy] = self._function(images)
            pool = graph.pool()  # what is between input and output may lie at one place
            self._graphs.append(graph)

    def run(self, copy: int) -> None:
        if self._graphs:
            self._graphs[copy].replay()
        else:
            self._outputs[copy] = self._function(self._images[copy])
        self._last = copy

    def synchronise(self) -> None:
        if self.device == "cuda":
            self._torch.cuda.synchronize()

    def device_seconds(self, work: Callable[[], None]) -> float:
        if self.device == "cpu":
            return super().device_seconds(work)
        cuda = self._torch.cuda
        begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        cuda.synchronize()
        begin.record()
        work()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) * 1e-3

    def wipe(self) -> None:
        for output in self._outputs:
            if output is not None:
                output.fill_(float("nan"))

    def result(self) -> Array:
        array: Array = self._outputs[self._last].cpu().numpy()
        return array

    def release(self) -> None:
        self._graphs, self._outputs, self._images = [], [], []
        self._function = None  # type: ignore[assignment]
        if self.device == "cuda":
            self._torch.cuda.empty_cache()
