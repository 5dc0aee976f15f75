"""The page of sliders, a marimo app: sliders make a setting, `explorer` computes it, `report.explorer` draws it."""

import marimo

app = marimo.App(width="full", app_title="A regularizer is a prior")


@app.cell
def tools():
    import html

    import marimo as mo

    from bayes_sandbox import explain, explorer
    from bayes_sandbox.report import explorer as drawing

    speed = explorer.densities_a_second()
    return drawing, explain, html, mo, explorer, speed


@app.cell
def controls(mo, explorer):
    def slider(label, start, stop, value):
        return mo.ui.slider(start, stop, value=value, label=label, show_value=True, full_width=True)

    families = {family.label: name for name, family in explorer.FAMILIES.items()}
    family = mo.ui.dropdown(families, value=next(iter(families)), label="prior of each weight")
    scale = mo.ui.slider(
        steps=[float(t) for t in explorer.SCALES], value=50, label="its scale τ, in g", show_value=True, full_width=True
    )
    noise = slider("noise σ, in g", 5, 100, 25)
    num_points = slider("data n", explorer.FEWEST_POINTS, explorer.MOST_POINTS, 60)
    num_weights = slider("dimension d: weights", 1, explorer.MOST_WEIGHTS, 6)
    num_nodes = slider("nodes along each axis", 1, explorer.MOST_NODES, 10)
    box = mo.ui.radio(list(explorer.BOXES), value="prior", label="a grid across the", inline=True)
    weight = slider("weight that is drawn", 0, explorer.MOST_WEIGHTS - 1, 1)
    return box, family, noise, num_nodes, num_points, num_weights, scale, weight


@app.cell
def standing(box, family, noise, num_nodes, num_points, num_weights, scale, explorer):
    setting = explorer.Setting(family.value, scale.value, noise.value, num_points.value, num_weights.value)
    grid = explorer.Grid(num_nodes.value, box.value)
    return grid, setting


@app.cell
def computing(explorer, setting):
    scene = explorer.scene_at(setting)
    return (scene,)


@app.cell
def drawing_weight(drawing, grid, scene, setting, weight):
    of_weight = drawing.draw_weight(setting, scene, grid, weight.value)
    return (of_weight,)


@app.cell
def drawing_curve(drawing, scene, setting):
    of_curve = drawing.draw_curve(setting, scene)
    return (of_curve,)


@app.cell
def drawing_evidence(drawing, scene, setting):
    of_evidence = drawing.draw_evidence(setting, scene)
    return (of_evidence,)


@app.cell
def drawing_error(drawing, grid, scene, setting, speed):
    of_error = drawing.draw_error(setting, scene, grid, speed)
    return (of_error,)


@app.cell
def page(
    box,
    drawing,
    family,
    grid,
    html,
    mo,
    noise,
    num_nodes,
    num_points,
    num_weights,
    of_curve,
    of_error,
    of_evidence,
    of_weight,
    scale,
    scene,
    setting,
    weight,
):
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td style='text-align:right'><output>{html.escape(value)}</output></td></tr>"
        for name, value in drawing.numbers(setting, scene, grid).items()
    )
    beside = mo.vstack(
        [
            mo.md("# A regularizer is a prior"),
            mo.md(
                "A helmet's acceleration after a crash (Silverman 1985), as a polynomial: y = Φ w + noise. "
                "Its columns are orthonormal, so that p(D) is a product of lines, exact at every stand of the sliders."
            ),
            family,
            scale,
            noise,
            num_points,
            num_weights,
            box,
            num_nodes,
            weight,
            mo.Html(f"<table id='numbers' style='width:100%'>{rows}</table>"),
        ],
        gap=0.6,
    )
    pictures = "".join(
        f"<figure style='flex:1 1 22rem;margin:0'>"
        f"<img style='width:100%' src='{picture.source}' alt='{html.escape(picture.words)}'></figure>"
        for picture in (of_weight, of_curve, of_evidence, of_error)
    )
    mo.Html(
        "<div style='display:flex;flex-wrap:wrap;gap:1.5rem'>"
        f"<div style='flex:1 1 17rem'>{beside.text}</div>"
        "<div style='flex:4 1 min(24rem,100%);display:flex;flex-wrap:wrap;gap:.5rem;align-content:start'>"
        f"{pictures}</div>"
        "</div>"
    )
    return


@app.cell
def words(explain, html, mo, explorer, setting):
    both = explain(explorer.model_of(setting))
    mo.md(
        f"""
## The same model, said twice

<pre style="overflow-x:auto">{html.escape(str(both))}</pre>

## What to try

- *Ridge or lasso.* Make the prior a Laplace and lower τ: weights of the MAP become exactly zero, no posterior mean
  does.
- *τ by evidence.* Move τ to the summit of the blue line: empirical Bayes. The fit at the MAP (dashed) has no summit:
  it rewards the widest prior, and the Occam factor is what it leaves out.
- *More weights.* Raise d at 60 data: the fit rises, log p(D) has its best order.
- *More data.* Raise n: the posterior narrows as 1/√n, the choice of prior matters less.
- *The curse.* With a grid across the prior, raise d: the error grows, and the cost as a power. Laying the grid across
  the posterior, which is what finding the mode first is for, needs far fewer nodes an axis, and is still a power.
"""
    )
    return


if __name__ == "__main__":
    app.run()
