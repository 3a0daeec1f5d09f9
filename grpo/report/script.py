"""The page's only script: values under the pointer or the arrow keys, and the step selector."""

SCRIPT = """
(function () {
  'use strict';
  document.documentElement.classList.add('js');
  var SVG = 'http://www.w3.org/2000/svg';

  function nearest(steps, wanted) {
    var low = 0, high = steps.length - 1;
    while (high - low > 1) {
      var middle = (low + high) >> 1;
      if (steps[middle] < wanted) { low = middle; } else { high = middle; }
    }
    return wanted - steps[low] <= steps[high] - wanted ? low : high;
  }
  function shown(value, percent) {
    if (percent) { return (100 * value).toFixed(1) + ' %'; }
    var size = Math.abs(value);
    return size && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(+value.toPrecision(4));
  }
  function chart(svg) {
    var data = JSON.parse(svg.getAttribute('data-chart')), box = data.box;
    var cursor = svg.querySelector('.cursor'), rule = cursor.querySelector('.rule');
    var tip = document.createElement('div'), place = 0;
    tip.className = 'tip'; tip.hidden = true; tip.setAttribute('role', 'status');
    svg.parentNode.appendChild(tip);
    rule.setAttribute('y1', box[2]); rule.setAttribute('y2', box[3]);
    var dots = data.series.map(function (one) {
      var dot = document.createElementNS(SVG, 'circle');
      dot.setAttribute('class', 'hover t' + one.tone); dot.setAttribute('r', 4);
      cursor.appendChild(dot);
      return dot;
    });
    var every = data.series.reduce(function (all, one) { return all.concat(one.steps); }, []);
    every = every.filter(function (s, i) { return every.indexOf(s) === i; }).sort(function (a, b) { return a - b; });
    function x(step) { return box[0] + (step - data.x[0]) / (data.x[1] - data.x[0]) * (box[1] - box[0]); }
    function y(value) { return box[2] + (data.y[1] - value) / (data.y[1] - data.y[0]) * (box[3] - box[2]); }
    function show(index) {
      place = Math.max(0, Math.min(every.length - 1, index));
      var step = every[place], scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      tip.textContent = data.across + ' ' + step.toLocaleString('en');
      data.series.forEach(function (one, i) {
        var at = nearest(one.steps, step);
        var far = Math.abs(one.steps[at] - step) > (data.x[1] - data.x[0]) / 50;
        dots[i].setAttribute('visibility', far ? 'hidden' : 'inherit');
        if (far) { return; }
        dots[i].setAttribute('cx', x(one.steps[at])); dots[i].setAttribute('cy', y(one.values[at]));
        var line = document.createElement('div');
        line.textContent = (data.series.length > 1 ? one.label + ': ' : '') + shown(one.values[at], data.percent);
        tip.appendChild(line);
      });
      rule.setAttribute('x1', x(step)); rule.setAttribute('x2', x(step));
      cursor.setAttribute('visibility', 'visible'); tip.hidden = false;
      var figure = svg.parentNode.getBoundingClientRect(), here = svg.getBoundingClientRect();
      var left = here.left - figure.left + x(step) * scale;
      tip.style.top = (here.top - figure.top + 4) + 'px';
      var right = left + tip.offsetWidth + 14 > figure.width;
      tip.style.left = (right ? Math.max(2, left - tip.offsetWidth - 10) : left + 10) + 'px';
    }
    function hide() { cursor.setAttribute('visibility', 'hidden'); tip.hidden = true; }
    svg.addEventListener('pointermove', function (event) {
      var here = svg.getBoundingClientRect();
      var at = (event.clientX - here.left) / here.width * svg.viewBox.baseVal.width;
      show(nearest(every, data.x[0] + (at - box[0]) / (box[1] - box[0]) * (data.x[1] - data.x[0])));
    });
    svg.addEventListener('pointerleave', hide);
    svg.addEventListener('blur', hide);
    svg.addEventListener('keydown', function (event) {
      var last = every.length - 1;
      var to = { ArrowRight: tip.hidden ? 0 : place + 1, ArrowLeft: tip.hidden ? last : place - 1,
                 Home: 0, End: last }[event.key];
      if (event.key === 'Escape') { hide(); }
      if (to === undefined) { return; }
      event.preventDefault();
      show(to);
    });
  }
  Array.prototype.forEach.call(document.querySelectorAll('svg.chart'), chart);

  var pick = document.getElementById('step-pick');
  if (pick) {
    var blocks = Array.prototype.slice.call(document.querySelectorAll('.step'));
    var choose = function () {
      blocks.forEach(function (block) { block.classList.toggle('on', block.dataset.step === pick.value); });
    };
    pick.selectedIndex = pick.options.length - 1;
    pick.addEventListener('change', choose);
    choose();
  }
})();
""".strip()
