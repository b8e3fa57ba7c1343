"""Is the device there that kernels are to run on?"""

from shapegan.pipeline.errors import PlainError


class NoDeviceError(PlainError, RuntimeError):
    """This machine has no such device; the message is one line with what to do."""


def has_device(device: str) -> bool:
    """Whether Warp can use a device here: `cpu` or `cuda`."""
    if device == "cpu":
        return True
    # Warp takes a second to load, and the driver of a run does not need it otherwise.
    import warp as wp

    from shapegan.pipeline.silence import start_warp

    start_warp()
    return bool(wp.is_cuda_available())


def check_device(device: str) -> None:
    """Sees to it that there is a device: better told before the work than mesh by mesh.

    Raises:
        NoDeviceError: if there is none.
    """
    if not has_device(device):
        raise NoDeviceError(
            f"device {device}: no GPU that CUDA can use was found here; take --device cpu, or see"
            " to the NVIDIA driver"
        )
