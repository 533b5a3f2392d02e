// The chart under the slider: the whole run at a glance, and a place to click.

const chart = (() => {
  const canvas = document.getElementById("chart");
  const context = canvas.getContext("2d");
  const LEFT = 40;
  const RIGHT = 90;
  const TOP = 8;
  const BOTTOM = 18;
  let size = { width: 1, height: 1 };

  function resize() {
    const pixels = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect();
    size = { width: box.width, height: box.height };
    canvas.width = Math.round(box.width * pixels);
    canvas.height = Math.round(box.height * pixels);
    context.setTransform(pixels, 0, 0, pixels, 0, 0);
  }

  const xOf = (time) => LEFT + (time / Math.max(1, scene.duration)) * (size.width - LEFT - RIGHT);
  const yOf = (share) => size.height - BOTTOM - share * (size.height - TOP - BOTTOM);
  const share = ([, due, there]) => (due > 0 ? there / due : 1);

  /** The time at a point of the canvas. */
  function timeAt(x) {
    const part = (x - LEFT) / Math.max(1, size.width - LEFT - RIGHT);
    return Math.min(1, Math.max(0, part)) * scene.duration;
  }

  function curve(of) {
    context.beginPath();
    for (const sample of scene.samples) context.lineTo(xOf(sample[0]), yOf(of(sample)));
    const last = scene.samples[scene.samples.length - 1];
    if (last) context.lineTo(xOf(scene.duration), yOf(of(last)));
  }

  function draw(time, colours) {
    context.clearRect(0, 0, size.width, size.height);
    context.font = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
    context.lineWidth = 1;
    context.strokeStyle = colours.line;
    context.fillStyle = colours.soft;
    for (const mark of [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(LEFT, yOf(mark));
      context.lineTo(size.width - RIGHT, yOf(mark));
      context.stroke();
      context.textAlign = "right";
      context.fillText(percent(mark), LEFT - 5, yOf(mark) + 4);
    }
    ticks();
    context.fillStyle = colours.lost;
    for (const [at] of scene.events.faults) context.fillRect(xOf(at) - 0.5, TOP - 6, 1.5, 5);

    curve(share);
    context.strokeStyle = colours.ok;
    context.lineWidth = 2;
    context.stroke();
    context.lineTo(xOf(scene.duration), yOf(0));
    context.lineTo(xOf(0), yOf(0));
    context.globalAlpha = 0.12;
    context.fillStyle = colours.ok;
    context.fill();
    context.globalAlpha = 1;
    curve((sample) => sample[3] / Math.max(1, scene.nodes.length));
    context.strokeStyle = colours.up;
    context.lineWidth = 1;
    context.stroke();

    context.textAlign = "left";
    context.fillStyle = colours.ok;
    context.fillText("there of due", size.width - RIGHT + 6, yOf(1) + 4);
    context.fillStyle = colours.up;
    context.fillText("nodes up", size.width - RIGHT + 6, yOf(1) + 20);
    context.fillStyle = colours.lost;
    if (scene.events.faults.length > 0) context.fillText("faults", size.width - RIGHT + 6, yOf(1) + 36);

    context.strokeStyle = colours.ink;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(xOf(time), TOP - 6);
    context.lineTo(xOf(time), yOf(0) + 4);
    context.stroke();
  }

  function ticks() {
    const steps = [1e3, 1e4, 6e4, 3e5, 6e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 6048e5];
    const most = Math.max(2, (size.width - LEFT - RIGHT) / 90);
    const step = steps.find((length) => scene.duration / length <= most) || Math.max(1, scene.duration);
    context.textAlign = "center";
    for (let time = 0; time <= scene.duration; time += step) {
      context.fillText(time === 0 ? "0" : duration(time), xOf(time), size.height - 4);
    }
  }

  return { canvas, draw, resize, timeAt };
})();
