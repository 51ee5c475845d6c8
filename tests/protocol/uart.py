"""What does a receiver make of a line that is set otherwise? Bit by bit."""

from custom_components.han_port.protocol.line import Line


def wave(data: bytes, line: Line, *, gap: float = 0, inverted: bool = False) -> str:
    """Give the levels of the line, one character of 0 and 1 for each bit time.

    `gap` is the pause between bytes in bit times, rounded down.
    """
    bits = ["1" * 12]
    for byte in data:
        low = byte & (1 << line.byte_size) - 1
        value = format(low, f"0{line.byte_size}b")[::-1]
        parity = str(low.bit_count() & 1) if line.parity == "E" else ""
        bits.append(f"0{value}{parity}1" + "1" * int(gap))
    bits.append("1" * 24)
    levels = "".join(bits)
    return levels.translate({48: 49, 49: 48}) if inverted else levels


def receive(
    levels: str, sent: Line, line: Line, *, waits_for_edge: bool = True
) -> bytes:
    """Give what a receiver reads that samples each bit in its middle.

    After a stop bit that is low the one kind of chip waits for the line to be high, the
    other takes it for the start of the next byte. Nobody checks parity.
    """
    ratio = sent.baudrate / line.baudrate
    count = line.byte_size + (line.parity != "N")

    def level(time: float) -> bool:
        at = int(time * ratio)
        return at >= len(levels) or levels[at] == "1"

    step, time, end = 0.125, 0.0, len(levels) / ratio
    read = bytearray()
    was_high = level(0)
    while time < end:
        is_high = level(time)
        if not (was_high and not is_high):
            was_high = is_high
            time += step
            continue
        while True:
            bits = [level(time + 1.5 + bit) for bit in range(count)]
            value = sum(bit << place for place, bit in enumerate(bits))
            read.append(value & (1 << line.byte_size) - 1)
            time += count + 1.5
            if level(time) or waits_for_edge or time >= end:
                break
            time -= 0.5
        was_high = level(time)
    return bytes(read)


def seconds(levels: str, sent: Line) -> float:
    """Give how long a line is busy."""
    return len(levels) / sent.baudrate
